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

  /// Fenced blocks of YAML that hold a pipeline; those that name one are experiments.
  private var examples: [String] {
    readme.components(separatedBy: "```yaml\n").dropFirst()
      .compactMap { $0.components(separatedBy: "\n```").first }
      .filter { $0.contains("\nstages:") || $0.hasPrefix("stages:") }
  }

  @Test func `every pipeline in the README is valid`() async throws {
    #expect(!examples.isEmpty)
    for example in examples {
      let project = try Project(example)
      // Their paths are those of the pipelines that ship.
      try project.copy("pipelines/data", to: "data")
      let ended = try await project.retort("validate", "pipeline.yaml")
      #expect(ended.code == 0, "\(ended.errors)")
    }
  }

  @Test func `every pipeline that ships is valid`() async throws {
    let pipelines = try FileManager.default.contentsOfDirectory(
      at: checkout.appending(path: "pipelines"), includingPropertiesForKeys: nil
    ).filter { $0.pathExtension == "yaml" }
    #expect(!pipelines.isEmpty)
    let ended = try await Project().run(retortProgram, ["validate"] + pipelines.map(\.path))
    #expect(ended.code == 0, "\(ended.errors)")
  }

  @Test func `the script that ships makes the data that ships, to the byte`() async throws {
    let project = try Project()
    let script = checkout.appending(path: "pipelines/data/generate.py")
    let ended = try await project.run(URL(filePath: "/usr/bin/env"), ["python3", script.path, project.root.path])
    try #require(ended.code == 0, "this test needs python3 on PATH: \(ended.errors)")
    for name in ["grammar_book.json", "qa.json"] {
      let shipped = try Data(contentsOf: checkout.appending(path: "pipelines/data/\(name)"))
      #expect(try Data(contentsOf: project.root.appending(path: name)) == shipped, "\(name)")
    }
  }
}
