/// An experiment file: a pipeline, changed and multiplied. A pipeline file is one that changes nothing.
import Basics
import Foundation

/// A value that takes the place of another one in a pipeline file: `stages.teacher.with.epochs`.
struct Setting {
  var path: DottedName
  /// Where the path is written.
  var mark: Mark
  var value: Node
}

extension Setting {
  /// Reads `params.epochs=3` of the command line, the value as YAML; `nil` after a report.
  /// - Parameter folder: what a path in the value is relative to.
  init?(argument: String, folder: URL, _ diagnostics: Diagnostics) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let text = parts.count == 2 ? "\(parts[0]): \(parts[1])" : argument
    let source = diagnostics.add(
      URL(filePath: "--set", directoryHint: .notDirectory), Array(text.utf8), folder: folder)
    guard parts.count == 2 else {
      diagnostics.report("write PATH=VALUE, such as params.epochs=3", at: Mark(line: 1, column: 1, source: source))
      return nil
    }
    guard let document = parseYAML(diagnostics, source: source) else { return nil }
    guard case .mapping(let entries) = document.value, let entry = entries.first, entries.count == 1 else {
      diagnostics.report("`\(argument.shortened)` is no PATH=VALUE", at: document.mark)
      return nil
    }
    self.init(path: DottedName(entry.key), mark: entry.mark, value: entry.value)
  }
}

struct Experiment {
  /// Where the pipeline lies among the sources of the diagnostics.
  let pipeline: Int
  var name: String?
  var comparison: Comparison?
  /// See `Plan.headline`.
  var headline: [String]?
  /// What each combination makes of the pipeline.
  var variants: [(matrix: Combination, document: Node)]

  static let keys = ["pipeline", "name", "set", "matrix", "compare", "headline"]

  /// A pipeline file alone.
  init(pipeline document: Node, settings: [Setting], _ diagnostics: Diagnostics) {
    pipeline = 0
    variants = [([], document.with(settings, diagnostics))]
    headline = headlineMetrics(variants[0].document["headline"], of: document, diagnostics)
  }

  /// Reads an experiment's root node and the pipeline that it names. `nil` after a report.
  init?(_ root: Node, settings: [Setting], _ diagnostics: Diagnostics) {
    let fields = Fields(root, of: "an experiment", allowed: Self.keys, diagnostics)
    name = fields.text("name")
    guard let path = fields.text("pipeline"), let node = fields["pipeline"],
      let (source, document) = Self.read(path, at: node.mark, diagnostics)
    else { return nil }
    pipeline = source
    let set = (fields["set"]?.entries(of: "`set`", diagnostics) ?? []).map {
      Setting(path: DottedName($0.key), mark: $0.mark, value: $0.value)
    }
    let base = document.with(set, diagnostics)
    var combinations: [Combination] = [[]]
    if let node = fields["matrix"] {
      guard let matrix = Matrix(node, diagnostics, checkName: { !$0.key.isEmpty }) else { return nil }
      combinations = matrix.combinations
    }
    let stageCount = max(1, document["stages"]?.keys.count ?? 0)
    guard combinations.count * stageCount <= 10 * mostVariants else {
      diagnostics.report(
        "\(combinations.count) combinations of \(stageCount) stages are more than \(10 * mostVariants)",
        at: fields.mark(of: "matrix"))
      return nil
    }
    for setting in settings where combinations.contains(where: { $0[setting.path.text] != nil }) {
      diagnostics.report("`\(setting.path.text.shortened)` is a dimension of the experiment's matrix", at: setting.mark)
    }
    let names = shortNames(of: combinations)
    variants = combinations.map { combination in
      let changes = combination.map { Setting(path: DottedName($0.name), mark: $0.node.mark, value: $0.node) }
      let short = combination.map { MatrixValue(name: names[$0.name] ?? $0.name, node: $0.node, value: $0.value) }
      return (short, base.with(changes + settings, diagnostics))
    }
    if let node = fields["compare"] {
      let fields = Fields(node, of: "`compare`", prefix: "compare.", allowed: ["metrics", "sort"], diagnostics)
      let comparison = Comparison(metrics: fields.words("metrics") ?? [], sort: fields.text("sort"))
      let sort = comparison.sort.map { $0.hasPrefix("-") ? String($0.dropFirst()) : $0 }
      for metric in comparison.metrics + (sort.map { [$0] } ?? []) {
        checkMetric(
          metric, of: document, at: fields.mark(of: comparison.metrics.contains(metric) ? "metrics" : "sort"),
          diagnostics)
      }
      self.comparison = comparison
    }
    headline =
      headlineMetrics(fields["headline"], of: document, diagnostics)
      ?? (comparison?.metrics.first).map { [$0] } ?? headlineMetrics(base["headline"], of: document, diagnostics)
  }

  private static func read(_ path: String, at mark: Mark, _ diagnostics: Diagnostics) -> (source: Int, Node)? {
    let folder = diagnostics.sources[mark.source].folder
    let file = URL(
      filePath: URL(path: path, in: folder).path.relative(to: FileManager.default.currentDirectoryPath))
    do {
      let source = diagnostics.add(file, try readPipeline(file))
      guard let document = parseYAML(diagnostics, source: source) else { return nil }
      if document["pipeline"] != nil && document["stages"] == nil {
        diagnostics.report("`\(path.shortened)` is an experiment itself; name the pipeline that it changes", at: mark)
        return nil
      }
      return (source, document)
    } catch {
      diagnostics.report("the pipeline `\(path.shortened)` cannot be used: \(error.all[0].message)", at: mark)
      return nil
    }
  }
}

/// The last word of each path, with as many words before it as it takes to tell the paths apart.
private func shortNames(of combinations: [Combination]) -> [String: String] {
  let paths = Set(combinations.flatMap { $0.map(\.name) })
  let words = Dictionary(
    uniqueKeysWithValues: paths.map { path in
      // `stages` and `with` say nothing.
      (path, DottedName(path).words.filter { !["stages", "with", "params", ""].contains($0) })
    })
  return Dictionary(
    uniqueKeysWithValues: words.map { path, own in
      let short = (1...8).lazy.map { own.suffix($0) }.first { candidate in
        !candidate.isEmpty && words.values.count { $0.suffix(candidate.count) == candidate } == 1
      }
      return (path, short?.joined(separator: ".") ?? path)
    })
}

/// What `headline` says; `nil` where it is absent. Reports what is no metric of a stage of the pipeline, each at its place.
private func headlineMetrics(_ node: Node?, of pipeline: Node, _ diagnostics: Diagnostics) -> [String]? {
  guard let node else { return nil }
  if case .scalar(.null, _) = node.value { return nil }
  guard
    case .list(let values)? = ValueDecoder(diagnostics: diagnostics)
      .decode(node, as: .list(.string), named: "headline")
  else { return nil }
  let metrics = values.compactMap(String.init(parameter:))
  for (place, metric) in metrics.enumerated() {
    let mark = if case .sequence(let nodes) = node.value { nodes[place].mark } else { node.mark }
    checkMetric(metric, of: pipeline, at: mark, diagnostics)
  }
  return metrics.isEmpty ? nil : metrics
}

/// Reports what is not `stage.metric` of a stage that the pipeline has.
private func checkMetric(_ metric: String, of pipeline: Node, at mark: Mark, _ diagnostics: Diagnostics) {
  let stages = pipeline["stages"]?.keys ?? []
  let name = DottedName(metric)
  if stages.contains(name.first), name.rest?.isEmpty == false, !metric.contains(where: \.isWhitespace) { return }
  diagnostics.report(
    "`\(metric.shortened)` must be a stage of the pipeline and a metric, `stage.metric`", at: mark,
    suggestion: nearest(to: name.first, in: stages).map { $0 + (name.rest.map { ".\($0)" } ?? "") })
}

extension Node {
  var keys: [String] { if case .mapping(let entries) = value { entries.map(\.key) } else { [] } }

  /// The pipeline with other values; reports paths that lead nowhere.
  fileprivate func with(_ settings: [Setting], _ diagnostics: Diagnostics) -> Node {
    settings.reduce(self) { node, setting in
      let words = setting.path.words
      guard words.count > 1 || words == ["name"], !words.contains("") else {
        diagnostics.report(
          "`\(setting.path.text.shortened)` must be a path such as params.NAME, defaults.seed or stages.STAGE.with.NAME",
          at: setting.mark)
        return node
      }
      return node.with(setting, at: words[...], fixed: words[0] == "params" ? words.count : 2, diagnostics)
    }
  }

  /// - Parameter fixed: how many words of the path must name something that is there.
  private func with(_ setting: Setting, at path: ArraySlice<String>, fixed: Int, _ diagnostics: Diagnostics) -> Node {
    guard let word = path.first else { return setting.value }
    var entries: [Entry]
    switch value {
    case .mapping(let own): entries = own
    case .scalar(.null, _) where fixed <= 0: entries = []
    case .invalid: return self
    default:
      diagnostics.report(
        "`\(setting.path.text.shortened)` leads into \(inWords), which has no keys", at: setting.mark)
      return self
    }
    var node = self
    if let index = entries.firstIndex(where: { $0.key == word }) {
      entries[index].value = entries[index].value.with(setting, at: path.dropFirst(), fixed: fixed - 1, diagnostics)
    } else {
      let mayBeNew = fixed <= 0 || (fixed == 2 && word == "defaults") || path.count == 1 && fixed == 1
      // `defaults` and its keys need not be there; parameters and stages must.
      let top = setting.path.first
      guard mayBeNew && top != "params" && !(fixed == 1 && top == "stages") else {
        diagnostics.report(
          "`\(setting.path.text.shortened)` does not lead anywhere: the pipeline has no `\(word.shortened)` there",
          at: setting.mark,
          suggestion: nearest(to: word, in: keys).map {
            setting.path.text.replacing(word, with: $0, maxReplacements: 1)
          })
        return self
      }
      let empty = Node(value: .mapping([]), mark: setting.mark)
      entries.append(
        Entry(
          key: word, mark: setting.mark,
          value: empty.with(setting, at: path.dropFirst(), fixed: 0, diagnostics)))
    }
    node.value = .mapping(entries)
    return node
  }
}

extension String {
  /// A path below `folder` as people write it there.
  fileprivate func relative(to folder: String) -> String {
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    return hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
  }
}
