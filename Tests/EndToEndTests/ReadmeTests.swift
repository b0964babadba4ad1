/// The README against the program, and the pipelines and data that ship.
import Foundation
import Testing

@Suite struct ReadmeTests {
  private let readme: String
  private let pipelines: String
  /// What `retort help` prints, by topic.
  private let topics: [String: String]

  init() throws {
    func text(_ path: String) throws -> String {
      try String(contentsOf: checkout.appending(path: path), encoding: .utf8)
    }
    readme = try text("README.md")
    pipelines = try text("pipelines/README.md")
    let folder = "Sources/retort/Topics"
    let files = try FileManager.default.contentsOfDirectory(atPath: checkout.appending(path: folder).path)
    topics = try Dictionary(
      uniqueKeysWithValues: files.map { ($0.replacing(".md", with: ""), try text("\(folder)/\($0)")) })
  }

  @Test func `the README stays short`() {
    #expect(readme.split(separator: "\n", omittingEmptySubsequences: false).count <= 131)
  }

  @Test func `every stage kind is in the description of the file`() async throws {
    struct Kind: Decodable { var kind: String }
    let kinds = try await Project().retort("stages", "--json").decoded([Kind].self).map(\.kind) + ["cmd"]
    #expect(kinds.filter { !pipelines.contains("`\($0)`") } == [])
  }

  @Test func `every topic is printed as it is written, fits a terminal, and is named by the README`() async throws {
    let project = try Project()
    #expect(topics.count > 5)
    for (name, text) in topics {
      #expect(try await project.retort("help", name).output == text, "\(name)")
      let isWide = text.split(separator: "\n").filter {
        $0.count > 80
      }
      #expect(isWide == [], "\(name)")
      #expect(readme.contains("`\(name)`") || readme.contains("`retort help \(name)`"), "\(name)")
    }
    #expect(try await project.retort("help", "store").output.hasPrefix("# The store"))
    #expect(try await project.retort("help", "lineage").output.contains("USAGE: retort lineage"))
    #expect(try await project.retort("help", "model", "inspect").output.contains("USAGE: retort model inspect"))
    #expect(try await project.retort("help", "model", "look").errors.contains("`model` has no command `look`"))
    #expect(try await project.retort("help", "cachin").errors.contains("did you mean `caching`?"))
  }

  /// Commands that the documents name: in code spans, indented lines and shell blocks.
  private var commandLines: [String] {
    ([readme, pipelines] + topics.values).flatMap { text in
      text.components(separatedBy: "`").filter { $0.hasPrefix("retort ") && !$0.contains("\n") }
        + text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { $0.hasPrefix("retort ") }
        .map { $0.components(separatedBy: "  ")[0] }
    }
  }

  @Test func `every command and option that the documents name is there`() async throws {
    let project = try Project()
    let known = try await commands(of: project)
    #expect(commandLines.count > 40)
    var helps: [String: String] = [:]
    for line in commandLines {
      let words = line.split(separator: " ").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "[](),.;")) }
      guard words.count > 1, let name = words.dropFirst().first, name.first?.isLowercase == true else { continue }
      #expect(known.contains(name), "\(line)")
      if helps[name] == nil { helps[name] = try await project.retort(name, "--help").output }
      let options = words.dropFirst(2).flatMap { $0.split(separator: "|") }.filter { $0.hasPrefix("--") }
        .map { String($0.prefix { $0 != "=" }) }
      for option in options { #expect(helps[name]?.contains(option) == true, "\(line)") }
    }
  }

  /// Fenced blocks of YAML: pipelines, stages to put into the first whole one of pipelines/README.md, and experiments.
  private var examples: [String] {
    func blocks(_ text: String) -> [String] {
      text.components(separatedBy: "```yaml\n").dropFirst().compactMap { $0.components(separatedBy: "\n```").first }
    }
    let whole = blocks(pipelines)[0]
    return ([readme, pipelines] + topics.values).flatMap(blocks).map { block in
      if block.contains("stages:\n") || block.hasPrefix("pipeline:") { return block }
      let stages = block.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
      let scored = "  scored: {uses: score, in: {teacher: teacher.model, candidates: candidates.candidates}}\n"
      return whole + "\n" + scored + stages.joined(separator: "\n")
    }
  }

  @Test func `every example in the documents is valid`() async throws {
    #expect(examples.count > 3)
    for example in examples {
      let project = try Project()
      // Their paths are those of the pipelines that ship.
      try project.copy("pipelines", to: "pipelines")
      try project.write("", to: "pipelines/tools/summary.py")
      let file = example.hasPrefix("pipeline:") ? "experiments/example.yaml" : "pipelines/example.yaml"
      try project.write(example, to: file)
      let ended = try await project.retort("validate", file)
      #expect(ended.code == 0, "\(example)\n\(ended.errors)")
    }
  }

  @Test func `every pipeline and experiment that ships is valid`() async throws {
    let files = try ["pipelines", "experiments"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(
        at: checkout.appending(path: folder), includingPropertiesForKeys: nil)
    }.filter { $0.pathExtension == "yaml" }
    #expect(files.count > 4)
    let ended = try await Project().run(retortProgram, ["validate"] + files.map(\.path))
    #expect(ended.code == 0, "\(ended.errors)")
  }

  @Test func `the scripts that ship make the data that ships, to the byte`() async throws {
    let project = try Project()
    for name in ["generate.py", "preprocess.py"] {
      let script = checkout.appending(path: "pipelines/data/\(name)")
      let ended = try await project.run(
        URL(filePath: "/usr/bin/env"), ["python3", "-B", script.path, project.root.path])
      try #require(ended.code == 0, "this test needs python3 on PATH: \(ended.errors)")
    }
    let tables = ["supervised_only", "supervised_with_detailed"].flatMap { version in
      ["train", "val", "test"].map { "preprocessed/\(version)/\($0).csv" }
    }
    for name in ["grammar_book.json", "qa.json"] + tables {
      let shipped = try Data(contentsOf: checkout.appending(path: "pipelines/data/\(name)"))
      #expect(try Data(contentsOf: project.root.appending(path: name)) == shipped, "\(name)")
    }
  }

  /// The words of a command's paragraph in the topic `automation`.
  private func documentedWords(_ command: String) throws -> Set<Substring> {
    let lines = try #require(topics["automation"]).split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix("    \(command) ") || $0.hasPrefix("    \(command),") })
    let more = lines[(start + 1)...].prefix { $0.hasPrefix("                ") }
    return Set((Array(lines[start...start]) + more).joined(separator: " ").split { !$0.isLetter })
  }

  @Test func `every key of the JSON that commands print is documented`() async throws {
    let project = try Project()
    try project.write(
      """
      version: 1
      stages:
        a: {cmd: 'echo 1 > ${out.x}', out: {x: x.txt}}
        b: {cmd: 'cat ${in.x} > ${out.y}', in: {x: a.x}, out: {y: y.txt}}
      """, to: "p.yaml")
    #expect(try await project.retort("run", "p.yaml", "--name", "one").code == 0)
    #expect(try await project.retort("run", "p.yaml", "--force", "a", "--name", "two").code == 0)
    let pairs = (1...5).map { #"{"query": "q\#($0)", "passage": "p\#($0)", "label": 1}"# }
    try project.write(pairs.joined(separator: "\n"), to: "d.jsonl")
    try project.write(#"{"id": "1", "text": "some text"}"#, to: "c.jsonl")
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let commands: [(String, [String])] = [
      ("runs", ["--all"]), ("show", ["latest"]), ("compare", ["1", "2"]), ("diff", ["1", "2"]),
      ("plan", ["p.yaml"]), ("why", ["p.yaml", "b"]), ("status", ["p.yaml"]), ("watch", []), ("lineage", ["b"]),
      ("validate", ["p.yaml"]), ("search", ["--bm25", "c.jsonl", "text"]), ("gc", []), ("verify", ["-n"]),
      ("new", ["d.jsonl", "-o", "n.yaml"]), ("model list", []), ("model inspect", ["model"]),
    ]
    for (command, arguments) in commands {
      let words = command.split(separator: " ").map(String.init)
      let printed = try await project.run(retortProgram, words + arguments + ["--json"])
      try #require(printed.code == 0, "\(command): \(printed.errors)")
      let value = try JSONSerialization.jsonObject(with: Data(printed.output.utf8))
      let first = (value as? [Any])?.first ?? value
      let object = try #require(first as? [String: Any], "\(command): \(printed)")
      let stages = (object["stages"] as? [Any])?.first as? [String: Any] ?? [:]
      let documented = try documentedWords(command)
      let missing = (Array(object.keys) + stages.keys).filter { !documented.contains(Substring($0)) }
      #expect(missing == [], "\(command)")
    }
  }
}
