/// The values of `in`: a stage's output, a path, or a model of the hub.
import Basics
import Foundation

enum Reference {
  case output(OutputReference)
  case file(URL)
  case hub(HubReference)
}

/// `stage.port`, or `stage.*.port` of every variant.
struct OutputReference {
  let stage: String
  let port: String
  var gathers: Bool

  init(stage: String, port: String) { (self.stage, self.port, gathers) = (stage, port, false) }

  /// `nil` for what has no dot.
  init?(_ text: String) {
    let name = DottedName(text)
    guard let rest = name.rest else { return nil }
    stage = name.first
    gathers = rest.hasPrefix("*.")
    port = gathers ? String(rest.dropFirst(2)) : rest
  }
}

/// `hf://org/name[@revision]`.
package struct HubReference: Hashable, Sendable, CustomStringConvertible {
  package let repository: String
  package let revision: String?

  package static let scheme = "hf://"

  /// `nil` for what is no such reference.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.scheme) else { return nil }
    let pieces = text.dropFirst(Self.scheme.count).split(
      separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = pieces[0].split(separator: "/", omittingEmptySubsequences: false)
    // A branch may have slashes; all become names of folders.
    let others = pieces.dropFirst().flatMap { $0.split(separator: "/", omittingEmptySubsequences: false) }
    let allowed = CharacterSet(charactersIn: "-._").union(.alphanumerics)
    let fits =
      names.count == 2
      && (names + others).allSatisfy { name in
        !["", ".", ".."].contains(name) && name.unicodeScalars.allSatisfy { $0.isASCII && allowed.contains($0) }
      }
    guard fits else { return nil }
    repository = String(pieces[0])
    revision = pieces.dropFirst().first.map(String.init)
  }

  package var description: String { Self.scheme + repository + (revision.map { "@\($0)" } ?? "") }
}

/// Resolves references of one file against its stages and the files around it.
struct ReferenceResolver {
  let diagnostics: Diagnostics
  /// Output ports of every stage; `nil` where its kind is not known.
  private let ports: [String: [String]?]
  private var files: [FileName: (url: URL, exists: Bool)] = [:]

  private struct FileName: Hashable {
    /// Bytes: texts that look alike are one text to Swift.
    let path: [UInt8]
    let source: Int
  }

  init(_ diagnostics: Diagnostics, ports: [String: [String]?]) {
    self.diagnostics = diagnostics
    self.ports = ports
  }

  /// Whether it is a path with `*` or `?`, and no output of a stage.
  func isPattern(_ text: String) -> Bool {
    guard text.contains(where: { "*?".contains($0) }), !text.hasPrefix(HubReference.scheme) else { return false }
    return OutputReference(text).map { ports[$0.stage] == nil } ?? true
  }

  /// `nil` after a report. - Parameter name: how messages call the value: `in.data`.
  mutating func resolve(_ node: Node, named name: String) -> Reference? {
    guard case .scalar(.string, let text) = node.value, !text.isEmpty else {
      if case .invalid = node.value { return nil }
      diagnostics.report(
        "`\(name)` must be a path, the output of a stage (`stage.port`) or hf://org/name, not \(node.inWords)",
        at: node.mark)
      return nil
    }
    if text.hasPrefix(HubReference.scheme) {
      if let model = HubReference(text) { return .hub(model) }
      diagnostics.report(
        "`\(text.shortened)` is no hub model; write hf://org/name or hf://org/name@revision", at: node.mark)
      return nil
    }
    if let output = OutputReference(text), let known = ports[output.stage] {
      guard let ports = known else { return nil }
      if ports.contains(output.port) { return .output(output) }
      report(unknownPort: output.port, of: output.stage, ports, at: node.mark)
      return nil
    }
    let file = file(text, in: node.mark.source)
    if file.exists { return .file(file.url) }
    report(missing: text, file.url, at: node.mark)
    return nil
  }

  /// Relative to the folder of the file that the path is written in.
  private mutating func file(_ path: String, in source: Int) -> (url: URL, exists: Bool) {
    let name = FileName(path: Array(path.utf8), source: source)
    if let known = files[name] { return known }
    let url = URL(path: path, in: diagnostics.sources[source].folder)
    let file = (url: url, exists: FileManager.default.fileExists(atPath: url.path))
    files[name] = file
    return file
  }

  private func report(unknownPort port: String, of stage: String, _ ports: [String], at mark: Mark) {
    let has = ports.isEmpty ? "it has none" : "it has \(ports.joined(last: "and"))"
    diagnostics.report(
      "stage `\(stage)` has no output `\(port.shortened)`; \(has) (a file of that name is written ./\(stage).\(port.shortened))",
      at: mark, suggestion: nearest(to: port, in: ports).map { "\(stage).\($0)" })
  }

  private func report(missing text: String, _ file: URL, at mark: Mark) {
    if let known = ports[text] {
      guard let own = known else { return }
      let outputs = own.map { "\(text).\($0)" }.joined(last: "or")
      diagnostics.report(
        "`\(text)` is a stage, and not a file; " + (own.isEmpty ? "it has no outputs" : "its outputs are \(outputs)"),
        at: mark)
      return
    }
    diagnostics.report(
      "`\(text.shortened)` is neither a file nor the output of a stage (looked for \(file.path.shortened(to: 300)))",
      at: mark,
      suggestion: nearest(to: text, in: ports.lazy.flatMap { stage, ports in (ports ?? []).map { "\(stage).\($0)" } })
        ?? neighbour(of: text, file))
  }

  /// A file beside the missing one with almost its name, as the reference would be written.
  private func neighbour(of text: String, _ file: URL) -> String? {
    // A folder that cannot be listed has no suggestions to offer.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: file.deletingLastPathComponent().path)) ?? []
    guard let name = nearest(to: file.lastPathComponent, in: names) else { return nil }
    return String(text.dropLast(file.lastPathComponent.count)) + name
  }
}
