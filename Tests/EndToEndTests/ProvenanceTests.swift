/// What a published model carries with it.
import Foundation
import Testing

@Suite struct ProvenanceTests {
  private let pipeline = """
    version: 1
    name: small
    defaults: {seed: 7, threads: 1}
    stages:
      groups:
        uses: groups
        in: {data: data/questions.json, passages: data/book.jsonl}
      base:
        uses: init
        in: {groups: groups.groups, corpus: groups.corpus}
        with: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16}
        publish: models/base

    """

  @Test func `the same work publishes the same bytes anywhere, and a second run leaves them alone`() async throws {
    let (project, other) = (try Project(pipeline, data: smallData), try Project(pipeline, data: smallData))
    _ = try await project.run()
    _ = try await other.run()
    for file in ["retort.json", "README.md"] {
      let text = try project.read("models/base/\(file)")
      #expect(try other.read("models/base/\(file)") == text)
      #expect(text.contains("data/book.jsonl") && !text.contains(project.root.path))
    }
    #expect(try project.read("models/base/README.md").contains("pipeline_tag: sentence-similarity"))
    let again = try await project.retort("run", "pipeline.yaml")
    #expect(again.code == 0 && !again.output.contains("published"))
  }

  @Test func `an evaluation is published under the names that its files have`() async throws {
    struct Lineage: Decodable { var of: String }
    let publishing = smallPipeline.replacing("with: {method: bm25}", with: "with: {method: bm25}\n    publish: test")
    let project = try Project(publishing, data: smallData)
    _ = try await project.run()
    let names = ["bi_encoder_evaluation_analysis.png", "bi_encoder_evaluation_results.json", "per_query.jsonl"]
    let folder = project.root.appending(path: "test").path
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == names + ["retort.json"])
    let lineage = try await project.retort("lineage", "test/per_query.jsonl", "--json").decoded(Lineage.self)
    #expect(lineage.of == "lexical.per_query")
    let shown = try await project.retort("show", "latest", "lexical").output
    #expect(names.allSatisfy { shown.contains("/\($0)  ") })
  }

  @Test func `lineage reads a published folder where there is no store`() async throws {
    struct Lineage: Decodable {
      struct Stage: Decodable { var name: String }
      struct Artifact: Decodable { var source: String? }
      var of: String
      var stages: [Stage]
      var artifacts: [Artifact]
    }
    let project = try Project(pipeline, data: smallData)
    _ = try await project.run()
    let elsewhere = try Project()
    try FileManager.default.moveItem(
      at: project.root.appending(path: "models/base"), to: elsewhere.root.appending(path: "got"))
    try FileManager.default.removeItem(at: elsewhere.store)
    for name in ["got", "./got", "got/model.safetensors"] {
      let lineage = try await elsewhere.retort("lineage", name, "--format", "json").decoded(Lineage.self)
      #expect(lineage.of == "base.model" && lineage.stages.map(\.name) == ["groups", "base"])
      #expect(Set(lineage.artifacts.compactMap(\.source)) == ["data/questions.json", "data/book.jsonl"])
    }
    #expect(try await elsewhere.retort("lineage", "got", "--format", "mermaid").output.hasPrefix("flowchart LR\n"))
    #expect(try await elsewhere.retort("lineage", "got", "--down").code == 2)
    #expect(try await elsewhere.retort("lineage", ".").errors.contains("no retort.json tells of"))
    #expect(try await elsewhere.retort("lineage", "nothing").code == 2)
  }
}
