/// The README against the program, and the pipelines and data that ship.
import Foundation
import Testing

@Suite struct ReadmeTests {
  private let readme: String

  init() throws {
    readme = try String(contentsOf: checkout.appending(path: "README.md"), encoding: .utf8)
  }

  @Test func `every command and every stage kind is in the README`() async throws {
    struct Kind: Decodable { var kind: String }
    let project = try Project()
    let kinds = try await project.retort("stages", "--json").decoded([Kind].self).map(\.kind) + ["cmd"]
    let names = try await commands(of: project).map { "`retort \($0)" } + kinds.map { "`\($0)`" }
    #expect(names.filter { !readme.contains($0) } == [])
  }

  /// Fenced blocks of YAML: pipelines, stages to put into the first of them, and experiments.
  private var examples: [String] {
    let blocks = readme.components(separatedBy: "```yaml\n").dropFirst()
      .compactMap { $0.components(separatedBy: "\n```").first }
    return blocks.map { block in
      if block.contains("stages:\n") || block.hasPrefix("pipeline:") { return block }
      let stages = block.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
      let scored = "  scored: {uses: score, in: {teacher: teacher.model, candidates: candidates.candidates}}\n"
      return blocks[0] + "\n" + scored + stages.joined(separator: "\n")
    }
  }

  @Test func `every example in the README is valid`() async throws {
    #expect(examples.count > 2)
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
}
