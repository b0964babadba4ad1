/// Reads a `cmd` stage: its text, its outputs, and what it may see of the machine.
import Artifacts
import Basics
import Escaping
import Foundation

struct CommandReader {
  let diagnostics: Diagnostics
  /// The pipeline file's folder and the project's root: where a word of a command may name a file.
  let folders: [(url: URL, path: String)]
  private var isFile: [String: Bool] = [:]

  init(_ diagnostics: Diagnostics, folder: URL, root: URL) {
    self.diagnostics = diagnostics
    folders = (folder.path == root.path ? [folder] : [folder, root]).map { ($0, $0.path) }
  }

  /// The stage described like a built-in one, its command, and its outputs with the types that the file gives them.
  mutating func read(
    _ spec: StageSpec, _ substitution: inout Substitution
  ) -> (description: StageDescription, command: Command, outputs: [PlannedOutput]) {
    let fields = spec.fields
    let bound = fields["in"]?.entries(of: "`in`", diagnostics) ?? []
    for entry in bound { _ = isPort(entry) }
    let inputs = bound.map(\.key)
    var outputs: [PlannedOutput] = []
    var command = Command(
      template: [], metrics: fields.text("metrics").flatMap { checked(path: $0, at: fields.mark(of: "metrics")) },
      environment: variables("env", fields), secrets: variables("secrets", fields), tools: fields.words("tools") ?? [])
    for entry in fields["out"]?.entries(of: "`out`", diagnostics) ?? [] where isPort(entry) {
      let (path, type) = output(entry)
      if let other = command.outputs.first(where: { $0.value == path }) {
        diagnostics.report("the outputs `\(other.key)` and `\(entry.key)` have one path, `\(path)`", at: entry.mark)
      }
      command.outputs[entry.key] = path
      outputs.append(PlannedOutput(port: entry.key, type: type))
    }
    let names = OutputNames(paths: command.outputs)
    for index in outputs.indices { outputs[index].file = names[outputs[index].port] }
    for name in command.environment where command.secrets.contains(name) {
      diagnostics.report(
        "`\(name)` is both in `env`, whose values enter the key, and in `secrets`", at: fields.mark(of: "secrets"))
    }
    for tool in command.tools where tool.isEmpty || tool.contains(where: \.isWhitespace) {
      diagnostics.report("`\(tool.shortened)` is no program's name", at: fields.mark(of: "tools"))
    }
    if let node = fields["cmd"] {
      command.template = template(node, inputs: inputs, outputs: outputs.map(\.port), &substitution)
      checkWords(of: command, at: node.mark)
    }
    let description = StageDescription.command(
      inputs: inputs,
      outputs: outputs.map {
        OutputDescription(name: $0.port, documentation: "", type: $0.type ?? .file, file: $0.file)
      })
    return (description, command, outputs)
  }

  private func isPort(_ entry: Node.Entry) -> Bool {
    if isIdentifier(entry.key) { return true }
    diagnostics.report("`\(entry.key.shortened)` is no name for a port: \(identifierRule)", at: entry.mark)
    return false
  }

  /// `table: table.md`, or `table: {path: table.md, type: text}`; the path is the port's name unless it is given.
  private func output(_ entry: Node.Entry) -> (path: String, type: ArtifactType?) {
    if case .scalar(.string(let path), _) = entry.value.value {
      return (checked(path: path, at: entry.value.mark) ?? entry.key, nil)
    }
    let name = "out.\(entry.key)"
    let fields = Fields(entry.value, of: "`\(name)`", prefix: name + ".", allowed: ["path", "type"], diagnostics)
    let path = fields.text("path").flatMap { checked(path: $0, at: fields.mark(of: "path")) }
    let type = fields.word("type", of: ArtifactType.allCases.map(\.rawValue)).flatMap(ArtifactType.init)
    return (path ?? entry.key, type)
  }

  /// A path that stays inside the command's working folder; `nil` after a report.
  private func checked(path: String, at mark: Mark) -> String? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    if !path.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != ".." && $0 != "." }) { return path }
    diagnostics.report(
      "`\(path.shortened)` must be a path inside the command's working folder, without `.`, `..` and a `/` at its ends",
      at: mark)
    return nil
  }

  private func variables(_ key: String, _ fields: Fields) -> [String] {
    let names = fields.words(key) ?? []
    for name in names where !isIdentifier(name) || name.contains("-") {
      diagnostics.report("`\(name.shortened)` in `\(key)` is no variable's name", at: fields.mark(of: key))
    }
    return names
  }

  private func template(
    _ node: Node, inputs: [String], outputs: [String], _ substitution: inout Substitution
  ) -> [Command.Segment] {
    guard case .scalar(.string, let text) = node.value else {
      if case .invalid = node.value { return [] }
      diagnostics.report("`cmd` must be a text for bash, not \(node.inWords)", at: node.mark)
      return []
    }
    guard let pieces = templatePieces(text) else {
      diagnostics.report("`${` without a `}`; for the shell's own write `$${`", at: node.mark)
      return []
    }
    var shell = ShellText(of: pieces.map { if case .text(let text) = $0 { text } else { "" } }.joined())
    return pieces.compactMap { piece -> Command.Segment? in
      switch piece {
      case .text(let text):
        shell.read(text)
        return .text(text)
      case .placeholder(let name):
        defer { shell.passValue() }
        do throws(ShellRefusal) {
          return try segment(for: name, shell.quoting(), inputs: inputs, outputs: outputs, at: node.mark, &substitution)
        } catch {
          diagnostics.report("`${\(name.text.shortened)}` cannot stand there: \(error.reason)", at: node.mark)
          return nil
        }
      }
    }
  }

  /// - Returns: `nil` after a report.
  private func segment(
    for name: DottedName, _ quoting: ShellQuoting, inputs: [String], outputs: [String], at mark: Mark,
    _ substitution: inout Substitution
  ) throws(ShellRefusal) -> Command.Segment? {
    switch (name.first, name.rest) {
    case ("in", let rest?), ("out", let rest?):
      if quoting == .arithmetic { throw ShellRefusal(reason: "bash evaluates numbers there, and it is a path") }
      return name.first == "in"
        ? port(rest, of: inputs, "in", at: mark).map { .input($0, quoting) }
        : port(rest, of: outputs, "out", at: mark).map { .output($0, quoting) }
    case ("params", _?), ("matrix", _?):
      guard let value = substitution.text(of: name, at: mark) else { return nil }
      guard quoting != .arithmetic || Int(value) != nil else {
        throw ShellRefusal(reason: "bash evaluates numbers there, and it is `\(value.shortened)`, which is no integer")
      }
      return .text(quoting.written(value))
    default:
      diagnostics.report(
        "`${\(name.text.shortened)}` is none of ${in.NAME}, ${out.NAME} and ${params.NAME}; the shell's own variable is "
          + "written `$${\(name.text.shortened)}`", at: mark)
      return nil
    }
  }

  private func port(_ name: String, of declared: [String], _ key: String, at mark: Mark) -> String? {
    if declared.contains(name) { return name }
    diagnostics.report(
      "`${\(key).\(name.shortened)}` is not declared in the stage's `\(key)`", at: mark,
      suggestion: nearest(to: name, in: declared).map { "${\(key).\($0)}" })
    return nil
  }

  /// A command runs in an empty folder: a word that names a file of the project would not be found there, and would
  /// be missing in the key.
  private mutating func checkWords(of command: Command, at mark: Mark) {
    let own = Set(command.outputs.values).union(command.metrics.map { [$0] } ?? [])
    let port = "\u{0}"  // no text of a file contains it
    let text = command.template.map { if case .text(let text) = $0 { text } else { port } }.joined()
    for word in Set(text.utf8.split { Self.wordEnds.contains($0) }.map { String(Substring($0)) }).sorted()
    where !word.contains(port) && !word.hasPrefix("-") && !own.contains(word) && namesFile(word) {
      diagnostics.report(
        "`\(word.shortened)` is a file of the project that the stage does not declare; add it to `in` "
          + "and write ${in.NAME} in its place", at: mark)
    }
  }

  private static let wordEnds = Set(" \t\n\r\"'`;|&<>()=".utf8)

  private mutating func namesFile(_ word: String) -> Bool {
    if let known = isFile[word] { return known }
    let found = folders.contains { folder in
      // Nearly no word names a file, so the cheap question comes first.
      let path = word.hasPrefix("/") ? word : "\(folder.path)/\(word)"
      return access(path, F_OK) == 0 && URL(path: word, in: folder.url).lies(in: folders[folders.count - 1].url)
        && FileStatus.of(URL(filePath: path))?.isFolder == false
    }
    isFile[word] = found
    return found
  }
}
