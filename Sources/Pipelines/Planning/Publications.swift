/// Checks where stages publish: each inside the project, none over another, none over what a stage reads.
import Foundation

struct PublicationChecker {
  let diagnostics: Diagnostics
  let root: URL
  /// Of the pipeline file and of the root, absolute and without `..`.
  private let filePath: String
  private let rootPath: String

  init(_ diagnostics: Diagnostics, file: URL, root: URL) {
    self.diagnostics = diagnostics
    self.root = root
    filePath = file.absoluteURL.standardizedFileURL.path
    rootPath = root.path
  }

  /// What `publish` says: a path, or `{path, if}`; `nil` after a report.
  func read(_ node: Node, _ fields: Fields) -> (path: String, condition: Publication.Condition?)? {
    guard case .mapping = node.value else { return fields.text("publish").map { ($0, nil) } }
    guard let own = fields.mapping("publish", allowed: ["path", "if"]) else { return nil }
    if own["path"] == nil {
      diagnostics.report("`publish` needs a `path`: where to copy the outputs, in the project", at: node.mark)
    }
    let condition = own.word("if", of: Publication.Condition.allCases.map(\.rawValue))
    return own.text("path").map { ($0, condition.flatMap(Publication.Condition.init)) }
  }

  /// The place that `publish` names; `nil` after a report.
  func publication(_ path: String, outputs: [PlannedOutput], at mark: Mark) -> Publication? {
    let url = URL(path: path, in: root)
    let full = url.path
    guard lies(full, in: rootPath), full != rootPath else {
      diagnostics.report("`publish` must name a path inside the project \(rootPath)", at: mark)
      return nil
    }
    let reserved = [".git", ".retort"].contains { lies(full, in: "\(rootPath)/\($0)") }
    guard !reserved, !lies(filePath, in: full) else {
      diagnostics.report("publishing to `\(path.shortened)` would replace files that are not for it", at: mark)
      return nil
    }
    let single = outputs.count == 1
    return Publication(
      url: url, location: diagnostics.location(mark),
      targets: outputs.map {
        Publication.Target(
          port: $0.port, file: $0.file,
          url: single ? url : url.appending(path: $0.file, directoryHint: .notDirectory))
      })
  }

  func check(_ stages: [PlannedStage]) {
    var owners: [String: PlannedStage] = [:]
    for stage in stages {
      guard let publication = stage.publish else { continue }
      let (url, mark) = (publication.url, diagnostics.mark(publication.location))
      if publication.condition == .notWorse, !stage.description.isUnknown, !stage.isJudged {
        diagnostics.report(
          "`if: not_worse` goes by what validation says of a training, and stage `\(stage.name)` "
            + (stage.description.trains
              ? "has nothing at its port `validation`"
              : "does not train; say it where the model is made"),
          at: mark)
      }
      if let other = owners[url.path] {
        diagnostics.report(
          other.base == stage.base
            ? "`\(other.name)` and `\(stage.name)` publish to the same path; write what tells them apart into it, "
              + "such as ${matrix.\(stage.coordinates.last?.name ?? "NAME")}"
            : "stage `\(other.name)` publishes to the same path", at: mark)
      } else {
        owners[url.path] = stage
      }
    }
    guard !owners.isEmpty else { return }
    var inputs: [String: String] = [:]
    for stage in stages {
      if let publication = stage.publish,
        let other = ancestors(of: publication.url).dropFirst().lazy.compactMap({ owners[$0] }).first
      {
        diagnostics.report(
          "the path lies inside the one that stage `\(other.name)` publishes to",
          at: diagnostics.mark(publication.location))
      }
      for input in stage.inputs {
        guard case .file(let url) = input.source else { continue }
        inputs[url.path] = "in.\(input.port) of stage `\(stage.name)`"
        if let owner = ancestors(of: url).lazy.compactMap({ owners[$0] }).first {
          report(input: input, url, publishedBy: owner)
        }
      }
    }
    for stage in stages {
      if let publication = stage.publish,
        let input = ancestors(of: publication.url).dropFirst().lazy.compactMap({ inputs[$0] }).first
      {
        diagnostics.report(
          "the path lies inside a folder that is an input, \(input)", at: diagnostics.mark(publication.location))
      }
    }
  }

  private func report(input: PlannedInput, _ url: URL, publishedBy owner: PlannedStage) {
    let target = owner.publish?.targets.first { url.lies(in: $0.url) }
    diagnostics.report(
      "stage `\(owner.name)` publishes this path; take the stage's output itself",
      at: diagnostics.mark(input.location),
      suggestion: target.map { "\(owner.name).\($0.port)" })
  }

  /// A path inside the root and those of the folders it lies in, innermost first, the root last.
  private func ancestors(of url: URL) -> [String] {
    var path = url.path
    guard lies(path, in: rootPath) else { return [] }
    var paths = [path]
    while path.utf8.count > rootPath.utf8.count, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
      path = String(path[..<slash])
      paths.append(path)
    }
    return paths
  }

  /// Whether `path` is `folder` or beneath it; both absolute and without `..`.
  private func lies(_ path: String, in folder: String) -> Bool {
    let rest = path.utf8.dropFirst(folder.utf8.count)
    return path.utf8.starts(with: folder.utf8)
      && (rest.isEmpty || rest.first == UInt8(ascii: "/") || folder.utf8.last == UInt8(ascii: "/"))
  }
}

extension PlannedStage {
  /// Whether its result comes with a verdict.
  fileprivate var isJudged: Bool {
    let ports = description.inputs(.choosesBy)
    return description.outputs.contains { $0.type == .model } && inputs.contains { ports.contains($0.declaredPort) }
  }
}
