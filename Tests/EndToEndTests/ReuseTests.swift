/// Records of which one in a hundred changed: the binary computes that one, and the bytes are those of a full run.
import Foundation
import Testing

@Suite struct ReuseTests {
  private let pipeline = """
    version: 1
    stages:
      embedded:
        uses: embed
        in: {model: model, texts: texts.jsonl}
      scored:
        uses: score
        in: {teacher: teacher, candidates: candidates.jsonl}

    """

  /// A hundred records; `changed` reads otherwise in both files.
  private func data(changed: Int? = nil) -> [String: String] {
    let texts = (0..<100).map { (place: Int) in
      place == changed ? "a river in the forest" : "tree and wood \(place)"
    }
    return [
      "texts.jsonl": texts.enumerated().map { "{\"id\": \"t\($0)\", \"text\": \"\($1)\"}\n" }.joined(),
      "candidates.jsonl": texts.enumerated().map { index, text in
        let passage = #"{"id": "p\#(index)", "text": "\#(text)", "label": 1, "source": "positive"}"#
        return #"{"id": "q\#(index)", "query": "which", "candidates": [\#(passage)]}"# + "\n"
      }.joined(),
    ]
  }

  private func project(_ data: [String: String]) throws -> Project {
    let project = try Project(pipeline, data: data)
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    try project.copy("Tests/Fixtures/models/classifier", to: "teacher")
    return project
  }

  private func outputs(_ project: Project) async throws -> [String: String] {
    let run = try await project.retort("show", "latest", "--json").decoded(Run.self)
    let outputs = run.stages.flatMap { stage in stage.outputs.map { ("\(stage.name).\($0)", $1.digest) } }
    return Dictionary(uniqueKeysWithValues: outputs)
  }

  @Test func `with one record of a hundred changed one is computed, and the bytes are those of a full run`()
    async throws
  {
    let fresh = try project(data(changed: 42))
    let full = try await fresh.retort("run", "pipeline.yaml")
    #expect(full.output.contains("Texts: 100 | Width: 8 | Reused: 0"), "\(full)")

    let project = try project(data())
    _ = try await project.run()
    for (path, text) in data(changed: 42) { try project.write(text, to: path) }
    let second = try await project.retort("run", "pipeline.yaml")
    #expect(second.code == 0 && second.output.contains("Texts: 100 | Width: 8 | Reused: 99"), "\(second)")
    #expect(second.output.contains("Pairs: 100 | Reused: 99"))
    #expect(try await outputs(project) == outputs(fresh))

    try FileManager.default.removeItem(at: project.store.appending(path: "work"))
    // Forced, a stage shows what computing gives, and it is the same.
    let forced = try await project.retort("run", "pipeline.yaml", "--force", "embedded", "--force", "scored")
    #expect(forced.code == 0 && !forced.output.contains("deterministic"), "\(forced)")
    #expect(try project.read(".retort/logs/3/scored.1.log").contains("Pairs: 100 | Reused: 0"))

    // Another model or parameter is another function.
    try project.write(pipeline.replacing("texts.jsonl}", with: "texts.jsonl}\n    with: {max_len: 5}"))
    #expect(try await project.retort("run", "pipeline.yaml").output.contains("Texts: 100 | Width: 8 | Reused: 0"))
  }

  @Test func `an earlier result that is gone from the store is computed anew`() async throws {
    let project = try project(data())
    _ = try await project.run()
    for folder in ["objects", "trees"] {
      _ = try await project.run(
        URL(filePath: "/bin/sh"), ["-c", "chmod -R u+w .retort/\(folder) && rm -r .retort/\(folder)"])
    }
    for (path, text) in data(changed: 3) { try project.write(text, to: path) }
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 0 && ended.output.contains("Pairs: 100 | Reused: 0"), "\(ended)")
    #expect(ended.output.contains("an earlier result is not used"))
  }

  @Test func `retrieve takes vectors from a result with other parameters and queries`() async throws {
    let texts = (0..<20).map { #"{"id": "t\#($0)", "text": "tree and wood \#($0)"}"# + "\n" }.joined()
    let project = try Project(
      "version: 1\nstages: {found: {uses: retrieve, in: {model: model, corpus: texts.jsonl, queries: q.csv}}}\n",
      data: ["texts.jsonl": texts, "q.csv": "query\nriver\nforest\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let first = try await project.retort("run", "pipeline.yaml")
    #expect(first.output.contains("Texts: 22 | Width: 8 | Reused: 0"), "\(first)")
    let fewer = try await project.retort("run", "pipeline.yaml", "--set", "stages.found.with.top_k=3")
    #expect(fewer.output.contains("Texts: 22 | Width: 8 | Reused: 22"), "\(fewer)")
    try project.write("query\nriver\nbank\nforest\n", to: "q.csv")
    let more = try await project.retort("run", "pipeline.yaml")
    #expect(more.output.contains("Texts: 23 | Width: 8 | Reused: 22"), "\(more)")
  }
}
