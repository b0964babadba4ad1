/// Every ASCII sign, alone and before what has misled escapers, through the real reader of each language and back.
import Foundation
import TestSupport
import Testing

@testable import Escaping
@testable import Pipelines

@Suite struct EscapeTests {
  /// Combining acute and diaeresis, zero-width joiner, a variation selector; line breaks that are not `\n`; zero.
  private static let marks = ["", "\u{301}", "\u{308}", "\u{200D}", "\u{FE0F}", "\u{85}", "\u{2028}", "\r", "\0"]
  /// Signs that begin a text, that stand in it, and that end it.
  static let texts = (0..<128).compactMap(Unicode.Scalar.init).flatMap { sign in
    marks.flatMap { mark in ["\(sign)\(mark)", "한\(sign)\(mark)글 a", "a\(sign)\(mark)1"] }
  }

  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// What a program prints.
  private func output(_ program: String, _ arguments: [String], needs package: String) throws -> Data {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.currentDirectoryURL = folder.url
    // The system's Python has the packages that Debian installs, another one on PATH need not.
    process.environment = ["PATH": "/usr/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "")]
    let file = try folder.write("", to: UUID().uuidString)
    process.standardOutput = try FileHandle(forWritingTo: file)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "this test needs \(package)")
    return try Data(contentsOf: file)
  }

  private func read<Value: Decodable>(_ language: String, _ text: String, as type: Value.Type) throws -> Value {
    let file = try folder.write(text, to: "text.\(language)")
    let script = fixtures.appending(path: "escaping/read.py").path
    let packages = "python3, python3-yaml, python3-ruamel.yaml, python3-markdown-it"
    return try JSONDecoder().decode(type, from: output("python3", [script, language, file.path], needs: packages))
  }

  /// Swift calls texts equal that differ in bytes.
  private func expectSame(_ found: [String], _ expected: [String], _ place: Testing.SourceLocation = #_sourceLocation) {
    #expect(found.count == expected.count, sourceLocation: place)
    for (found, expected) in zip(found, expected) where Array(found.utf8) != Array(expected.utf8) {
      Issue.record("\(expected.debugDescription) was read as \(found.debugDescription)", sourceLocation: place)
    }
  }

  @Test func `bash gets exactly the text as one word`() throws {
    let texts = Self.texts.filter { !$0.utf8.contains(0) }
    let script = texts.map { "printf '%s\\0' \(Escape.shellWord($0))\n" }.joined()
    let file = try folder.write(script, to: "script")
    let read = try output("bash", [file.path], needs: "bash")
    expectSame(
      read.split(separator: 0, omittingEmptySubsequences: false).dropLast().map { String(decoding: $0, as: UTF8.self) },
      texts)
  }

  @Test func `the shell that cron starts gets exactly the words, and what cron cannot be told is refused`() throws {
    let (possible, impossible) = Self.texts.reduce(into: ([String](), [String]())) { parts, text in
      if Escape.cronCommand([text]) == nil { parts.1.append(text) } else { parts.0.append(text) }
    }
    #expect(impossible.allSatisfy { text in text.utf8.contains { [0x00, 0x0A, 0x0D, 0x5C].contains($0) } })
    let text = try #require(Escape.cronCommand(["printf", "%s."] + possible))
    // crontab(5): a percent sign ends the command unless a backslash is before it, which is removed.
    var command: [UInt8] = []
    for byte in text.utf8 {
      if byte == UInt8(ascii: "%") {
        try #require(command.popLast() == UInt8(ascii: "\\"))
      }
      command.append(byte)
    }
    let file = try folder.write(Data(command), to: "command")
    let read = try output("sh", [file.path], needs: "sh")
    expectSame([String(decoding: read, as: UTF8.self)], [possible.map { $0 + "." }.joined()])
  }

  /// systemd.service(5), “Command lines”: C escapes in double quotes, `$$` for a dollar but in the program's path, and
  /// `%%` for a percent sign.
  @Test func `words of a unit's command are quoted as systemd reads them`() {
    #expect(Escape.systemdWord("/a b/%h/$x", isProgram: true) == #""/a b/%%h/$x""#)
    #expect(Escape.systemdWord("한\"\u{301}글\\n'%i${HOME}\n\u{7f}") == #""한\x22\#u{301}글\x5cn\x27%%i$${HOME}\x0a\x7f""#)
  }

  @Test(arguments: ["yaml11", "yaml12"])
  func `readers of both versions of YAML get exactly the text, as value, in brackets and as key`(version: String) throws
  {
    let lines = Self.texts.map { text in
      let scalar = Escape.yaml(text)
      return "- [\(scalar), {k: \(scalar)}, {\(scalar): 1}]\n"
    }
    struct Entry: Decodable {
      var texts: [String]
      init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        texts = [try list.decode(String.self)]
        texts += try list.decode([String: String].self).values
        texts += try list.decode([String: Int].self).keys
      }
    }
    let read = try read(version, lines.joined(), as: [Entry].self)
    expectSame(read.flatMap(\.texts), Self.texts.flatMap { [$0, $0, $0] })
  }

  @Test func `our own reader of YAML gets exactly the text`() throws {
    let texts = Self.texts.filter { !$0.utf8.contains(0) }  // it refuses zero bytes
    let yaml = texts.map { "- \(Escape.yaml($0))\n" }.joined()
    let diagnostics = Diagnostics(file: URL(filePath: "/x.yaml"), bytes: Array(yaml.utf8))
    guard case .sequence(let nodes) = parseYAML(diagnostics)?.value else {
      Issue.record("no list: \(diagnostics.problems)")
      return
    }
    expectSame(nodes.map { if case .scalar(.string(let text), _) = $0.value { text } else { "\($0.value)" } }, texts)
  }

  @Test func `words and numbers that YAML would take for something else are quoted, paths and names are not`() {
    let quoted = [
      "y", "No", "ON", "off", "true", "Null", "~", "1", "1_000", "0x1F", "0b1", "1e3", "2001-01-01", ".5", ".inf", "-",
      "",
      "1.", "0o7", "685_230.15", "-a", "a b", "a:b", "#", "*x", "=", "<<",
    ]
    #expect(quoted.filter { !Escape.yaml($0).hasPrefix("\"") } == [])
    let plain = ["nein", "규정", "data/qa.json", "./a.csv", "../b/c", "top-1", "12px", "split.train", "tau_0.1", "/x"]
    #expect(plain.filter { Escape.yaml($0) != $0 } == [])
  }

  @Test func `a comment ends with its line for every reader`() throws {
    let lines = Self.texts.map { "- 1 # \(Escape.comment($0))\n" }.joined()
    for version in ["yaml11", "yaml12"] {
      #expect(try read(version, lines, as: [Int].self) == Self.texts.map { _ in 1 })
    }
  }

  @Test func `gnuplot gets the text as it is shown, and runs nothing`() throws {
    let evil = ["`touch OWNED`", "'\u{301}`touch OWNED`", "\"; system 'touch OWNED'", "$(touch OWNED)", "@m", "%s"]
    let texts = Self.texts + evil
    let script = "set print 'printed'\nm = 'macro'\n" + texts.map { "print \(Escape.gnuplot($0))\n" }.joined()
    let file = try folder.write(script, to: "script.gnuplot")
    _ = try output("gnuplot", [file.path], needs: "gnuplot-nox")
    let printed = try String(contentsOf: folder.url.appending(path: "printed"), encoding: .utf8)
    expectSame(
      printed.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init),
      texts.map { Escape.printable($0) })
    #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "OWNED").path))
  }

  @Test func `Graphviz draws the text as it is shown`() throws {
    let texts = Self.texts + ["\\N", "\\G\\l", "&amp;", "&#65;", "<b>x</b>"]
    let nodes = texts.enumerated().map { "  n\($0) [label=\"\(Escape.dot($1))\"];\n" }.joined()
    let file = try folder.write("graph {\n\(nodes)}\n", to: "graph.dot")
    let drawn = try output("dot", ["-Tjson", file.path], needs: "graphviz")
    let read = try read("dot", String(decoding: drawn, as: UTF8.self), as: [String].self)
    // Graphviz draws nothing for a text of blanks.
    let isDrawn = { (text: String) in text.utf8.contains { $0 != 0x20 } }
    expectSame(read.filter(isDrawn), texts.map { Escape.printable($0) }.filter(isDrawn))
  }

  @Test func `Python's csv gets the text as it is shown, and a spreadsheet computes nothing`() throws {
    let texts = Self.texts + ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "-0.5", "+1e-3"]
    let lines = texts.map { "\(Escape.csvField($0)),end\r\n" }.joined()
    let rows = try read("csv", lines, as: [[String]].self)
    #expect(rows.allSatisfy { $0.count == 2 && $0[1] == "end" })
    let expected = texts.map { text -> String in
      let shown = Escape.printable(text)
      let isNumber = ["-0.5", "+1e-3"].contains(text)
      return !isNumber && ["=", "+", "-", "@"].contains(shown.unicodeScalars.first) ? "'\(shown)" : shown
    }
    expectSame(rows.map { $0[0] }, expected)
  }

  @Test func `a browser gets the text as it is shown, in elements and attributes`() throws {
    let page = Self.texts.map { "<p title=\"\(Escape.html($0))\">\(Escape.html($0))</p>\n" }.joined()
    let pairs = try read("html", page, as: [[String]].self)
    expectSame(pairs.flatMap { $0 }, Self.texts.flatMap { [Escape.printable($0), Escape.printable($0)] })
  }

  @Test func `Markdown shows the text in headings, items and cells, as text and as code`() throws {
    let texts =
      Self.texts + [
        "1. one", "12) x", "- - -", "***", "# h", "a\\|b", "a\\\\|`b`", "![x](y)", "&lt;", "<i>", "`` ` ``",
      ]
    let text = Escape.markdown
    let page =
      texts.map { "## \(text($0))\n\n" }.joined() + texts.map { "- \(text($0))\n" }.joined()
      + "\n| a | b |\n|---|---|\n" + texts.map { "| \(text($0)) | \(Escape.markdownCode($0)) |\n" }.joined()
    let read = try read("markdown", page, as: [String: [String]].self)
    // Blanks at the ends of a line or cell do not show.
    func shown(_ text: String) -> String {
      Escape.printable(text).trimmingCharacters(in: CharacterSet(charactersIn: " \n"))
    }
    expectSame((read["h2"] ?? []).map(shown), texts.map(shown))
    expectSame((read["li"] ?? []).map(shown), texts.map(shown))
    expectSame((read["td"] ?? []).map(shown), texts.flatMap { [shown($0), shown($0)] })
  }

  @Test func `Mermaid's text holds no sign that Mermaid reads`() {
    for text in Self.texts {
      let label = Escape.mermaid(text)
      // An entity is `#`, digits, `;`; besides those nothing of what its grammar knows may be left.
      let entity = /#([0-9]+);/.matchingSemantics(.unicodeScalar)
      #expect(label.replacing(entity, with: "").utf8.allSatisfy { !"\"#<>&`;\\{}|%~^*$?!'".utf8.contains($0) })
      let decoded = label.replacing(entity) { String(UInt32($0.output.1).flatMap(Unicode.Scalar.init) ?? "?") }
      #expect(Array(decoded.utf8) == Array(Escape.printable(text).utf8))
    }
  }

  @Test func `nothing that is shown obeys: C0, C1, line breaks, turned directions`() {
    let signs = Array(0..<0x20) + Array(0x7f..<0xa0) + Array(0x2028...0x202e) + Array(0x2066...0x2069) + [0xfeff]
    let text = String(String.UnicodeScalarView(signs.compactMap { Unicode.Scalar(UInt32($0)) }))
    #expect(Escape.printable(text).utf8.allSatisfy { 0x20..<0x7f ~= $0 })
    #expect(Escape.printable("\u{1B}]52;c;aGk=\u{7}\u{9B}1m\r\n") == #"\x1b]52;c;aGk=\x07\x9b1m\r\n"#)
    #expect(Escape.printable("a\tb\nc\r", keepsLines: true) == "a\tb\nc\\r")
    #expect(Escape.printable("한글 é 👩‍👩‍👧 \u{200D}") == "한글 é 👩‍👩‍👧 \u{200D}")
  }

  @Test func `JSON keeps its values, and holds no control signs`() throws {
    let value = ["\u{9B}1m\u{7F}\u{2028}\u{202E}\n", "한글"]
    let document = Escape.json(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    #expect(document.unicodeScalars.allSatisfy { !$0.isControlSign })
    expectSame(try JSONDecoder().decode([String].self, from: Data(document.utf8)), value)
  }

  /// Lines of Sources that contain a pattern, but for the files that may.
  private func lines(_ pattern: Regex<some Any>, in folder: String, except names: Set<String>) throws -> [String] {
    let sources = fixtures.deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
    let files = FileManager.default.enumerator(at: sources.appending(path: folder), includingPropertiesForKeys: nil)
    return try (files?.allObjects as? [URL] ?? []).filter { file in
      file.pathExtension == "swift" && !names.contains(file.lastPathComponent)
        && !names.contains(file.deletingLastPathComponent().lastPathComponent)
    }.flatMap { file in
      try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { $0.contains(pattern) }
        .map { "\(file.lastPathComponent): \($0)" }
    }
  }

  @Test func `no other place in Sources escapes`() throws {
    let replacements = /replac\w*\((of: )?#*"(\\?['"`\\<&|\n]|\\[nrt"\\'])"|&(quot|lt|amp|#39);/
    #expect(try lines(replacements, in: "", except: ["Escaping", "JSONText"]) == [])
  }

  @Test func `all that the program prints goes through the terminal's layer`() throws {
    let output = /\b(print|fputs|puts|fwrite|putc)\(|FileHandle\.standard(Output|Error)|retort_(print|complain)/
    #expect(try lines(output, in: "retort", except: ["Terminal.swift"]) == [])
    #expect(try lines(output, in: "retort", except: []).count > 2)
  }
}
