/// `retort runs`: the history, by what was measured.
import ArgumentParser
import Artifacts
import Lineage
import Pipelines

struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists runs with their headline metrics, the latest first; --where picks, --sort orders.",
    discussion: """
      --where 'ndcg@10 > 0.7 and (tau = 0.1 or pipeline = "old*")': compares with =, !=, <, <=, >, >= and joins with \
      and, or, not and parentheses. Fields: run, pipeline, state, name, tag, started (UTC, as far as it is written: \
      started >= 2026-11-20), seconds, note. Any other name is a metric of the stages that the run's headline names, or \
      a parameter of any stage; STAGE.NAME is a metric or a parameter of that stage. In texts * stands for anything. \
      tau != 0.1 wants another tau, not tau = 0.1 takes runs without one too.

      Where metrics or parameters are asked for, each variant of a run is a line. A run that only found cached results \
      is left out, unless it has a name, a tag or a note; with --all it is one line, whatever variants it has.

      The headline is what `headline: [STAGE.METRIC]` in the file says, else the first metric of `compare`, else \
      nDCG@10 of each evaluation.

      --json prints a list of lines: run, id (12[tau=0.1]), coordinates, name, tags, note, pipeline, file, state, \
      started, seconds, stages (how many, by state), headline (metric and values) and columns (name and values of what \
      --where and --sort name). What is unknown is left out.
      """)

  @Option(name: .customLong("where"), help: ArgumentHelp("Only what fits this condition.", valueName: "condition"))
  var filter: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Order by this metric, parameter or field, with `-` the highest first.", valueName: "[-]name"))
  var sort: String?
  @Option(help: "Only runs of this pipeline.") var pipeline: String?
  @Flag(help: "Also runs that only found cached results.") var all = false
  @Option(name: .shortAndLong, help: "At most so many lines.") var limit = 20
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    guard limit > 0 else { throw ValidationError("--limit takes a number of lines, 1 or more") }
  }

  func run() throws {
    var question = RunQuestion()
    question.filter = try filter.map { try RunFilter($0) }
    question.sort = sort.map { ($0.hasPrefix("-") ? String($0.dropFirst()) : $0, $0.hasPrefix("-")) }
    (question.pipeline, question.all, question.limit) = (pipeline, all, limit)
    question.neutral = StageCatalog.builtIn.neutralParameters
    let (lines, count) = try storeOptions.reading().journal.runs(question)
    if json { return try printJSON(lines) }
    Terminal.say(RunTable(lines).text)
    if count > lines.count { Terminal.say("\(lines.count) of \(count); --limit \(count) shows all") }
  }
}

extension StageCatalog {
  /// Those that a key leaves out.
  fileprivate var neutralParameters: [NeutralParameter] {
    kinds.compactMap(describe).flatMap { kind in
      kind.parameters.compactMap { parameter in
        parameter.neutral.map { NeutralParameter(kind: kind.kind.name, name: parameter.name, value: $0) }
      }
    }
  }
}

/// Lines of `runs`: a column for each headline metric while these are few, and for what was asked for.
private struct RunTable {
  let text: String
  private static let mostColumns = 4

  init(_ lines: [RunLine]) {
    // A headline has its column already.
    let asked = (lines.first?.columns.map(\.name) ?? []).filter { name in
      !lines.allSatisfy { $0.headline.contains { $0.metric == name || $0.metric.hasSuffix(".\(name)") } }
    }
    let metrics = lines.flatMap { $0.headline.map(\.metric) }.uniqued()
    let isWide = metrics.count > Self.mostColumns
    let headings = isWide ? ["headline"] : metrics
    let hasLabels = lines.contains { !$0.labels.isEmpty }
    let hasNotes = lines.contains { $0.note != nil }
    let header =
      ["run"] + (hasLabels ? ["name"] : []) + asked + headings + ["pipeline", "state", "started", "time", "stages"]
      + (hasNotes ? ["note"] : [])
    let first = hasLabels ? 2 : 1
    let numbers = Set(first..<(first + asked.count + (isWide ? 0 : metrics.count)))
    var table = Table(header, numbers: numbers.union([header.count - (hasNotes ? 3 : 2)]))
    for line in lines {
      let values = line.headline.map { ($0.metric, Self.range($0.values)) }
      let shown =
        isWide
        ? [values.prefix(Self.mostColumns).map { "\($0) \($1)" }.joined(separator: "  ")]
        : metrics.map { metric in values.first { $0.0 == metric }?.1 ?? "" }
      let stages = line.stages.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
      table.add(
        [line.id] + (hasLabels ? [line.labels.joined(separator: ", ")] : [])
          + line.columns.filter { asked.contains($0.name) }.map { $0.values.map(Self.shown).joined(separator: ", ") }
          + shown
          + [
            line.pipeline, line.state, line.started.formatted(.iso8601), line.seconds.map(formatted(seconds:)) ?? "",
            stages,
          ] + (hasNotes ? [line.note.map(Self.oneLine) ?? ""] : []))
    }
    text = lines.isEmpty ? "no run fits" : table.text
  }

  /// `0.61–0.72` of several.
  private static func range(_ values: [Double]) -> String {
    let texts = [values.min(), values.max()].compactMap { $0.map(formatted(metric:)) }
    return texts.uniqued().joined(separator: "–")
  }

  private static func shown(_ value: ParameterValue) -> String {
    if case .double(let number) = value, number != number.rounded() { return "\(Float(number))" }
    return value.shown
  }

  private static func oneLine(_ note: String) -> String {
    let line = note.split(whereSeparator: \.isNewline).joined(separator: " ⏎ ")
    return line.count > 60 ? line.prefix(59) + "…" : line
  }
}

extension RunLine {
  /// What people call it.
  fileprivate var labels: [String] { [name].compactMap { $0 } + tags }
}
