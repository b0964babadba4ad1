/// Pipelines and commands on models that are named by `hf://org/name`.
import Foundation
import TestSupport
import Testing

@Suite struct HubTests {
  private let project: Project
  private let server: HubServer
  private let commit = String(repeating: "0c", count: 20)
  private struct Plan: Decodable {
    struct Stage: Decodable, Equatable { var name, state: String }
    var stages: [Stage]
  }

  init() throws {
    project = try Project(
      data: ["texts.jsonl": #"{"id": "a", "text": "good morning"}"# + "\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "repository")
    try project.write("---\nlicense: other\nlicense_name: \"kept: so\"\n---\n# Model\n", to: "repository/README.md")
    try project.write("never to be downloaded", to: "repository/onnx/model.onnx")
    server = try HubServer()
    server.publish("org/name", .init(project.root.appending(path: "repository"), commit: commit))
    try project.write(pipeline("hf://org/name"))
  }

  private func pipeline(_ model: String) -> String {
    """
    version: 1
    stages:
      vectors: {uses: embed, in: {model: "\(model)", texts: texts.jsonl}}
      files: {cmd: "ls ${in.model} > ${out.list}", in: {model: "\(model)"}, out: {list: list.txt}}
    """
  }

  private func retort(_ words: String..., offline: Bool = false) async throws -> Ended {
    var environment = server.environment(home: project.root.appending(path: "cache"))
    environment["HF_HUB_OFFLINE"] = offline ? "1" : nil
    return try await project.run(retortProgram, words, environment: environment)
  }

  private func removeCache() throws { try FileManager.default.removeItem(at: project.root.appending(path: "cache")) }

  @Test func `a model is checked and keys are known before its weights are there`() async throws {
    #expect(try await retort("validate", "pipeline.yaml").output == "pipeline.yaml: valid, 2 stages\n")
    let plan: Plan = try await retort("plan", "pipeline.yaml", "--json").decoded()
    #expect(plan.stages.map(\.state) == ["will run", "will run"])
    let whole = server.requests.filter { $0.hasSuffix("model.safetensors") }
    #expect(!whole.isEmpty && whole.allSatisfy { $0.hasPrefix("GET") })  // of the header alone, see the hub's own tests
    let cache = project.root.appending(path: "cache").path
    #expect(FileManager.default.subpaths(atPath: cache)?.contains { $0.hasSuffix("model.safetensors") } == false)
  }

  @Test func `a run downloads what a stage needs, and a run with nothing to do needs neither network nor cache`()
    async throws
  {
    let first = try await retort("run", "pipeline.yaml")
    #expect(first.code == 0, "\(first.errors)")
    #expect(!server.requests.contains { $0.contains("onnx") })
    let asked = server.requests.count
    #expect(try await retort("run", "pipeline.yaml").output.contains("0 ran, 2 cached"))
    try removeCache()
    #expect(try await retort("run", "pipeline.yaml").output.contains("0 ran, 2 cached"))
    #expect(server.requests.count == asked)
    let lineage = try await retort("lineage", "vectors")
    #expect(lineage.output.contains("hf://org/name@\(commit)"))
  }

  @Test func `a plain folder with equal files has the results of the hub's model`() async throws {
    #expect(try await retort("run", "pipeline.yaml").code == 0)
    for path in ["repository/README.md", "repository/onnx"] {
      try FileManager.default.removeItem(at: project.root.appending(path: path))
    }
    try project.write(pipeline("repository"))
    #expect(try await retort("run", "pipeline.yaml").output.contains("0 ran, 2 cached"))
  }

  @Test func `a name keeps its commit until it is refreshed, and other weights run again`() async throws {
    #expect(try await retort("run", "pipeline.yaml").code == 0)
    let later = String(repeating: "1d", count: 20)
    try project.write("{}\n", to: "repository/special_tokens_map.json")
    server.publish("org/name", .init(project.root.appending(path: "repository"), commit: later))
    #expect(try await retort("run", "pipeline.yaml").output.contains("0 ran, 2 cached"))
    #expect(try await retort("run", "pipeline.yaml", "--refresh").output.contains("2 ran, 0 cached"))
    #expect(try await retort("run", "pipeline.yaml").output.contains("0 ran, 2 cached"))
  }

  @Test func `offline a run goes by what was downloaded, and says what is missing`() async throws {
    let without = try await retort("run", "pipeline.yaml", offline: true)
    #expect(without.code == 1 && without.output.contains("HF_HUB_OFFLINE is set"))
    #expect(try await retort("vectors", "hf://org/name", "texts.jsonl").code == 0)
    #expect(try await retort("run", "pipeline.yaml", offline: true).output.contains("2 ran, 0 cached"))
  }

  @Test func `a model that is not there is told at its place`() async throws {
    try project.write(pipeline("hf://org/nme"))
    let ended = try await retort("validate", "pipeline.yaml")
    #expect(ended.code == 2)
    #expect(
      ended.errors.hasPrefix(
        "pipeline.yaml:3:38: error: stage `vectors` cannot load the model at its port `model`: hf://org/nme: the hub "
          + "has no such model"))
  }

  @Test func `a file that changed in the cache is not computed with`() async throws {
    #expect(try await retort("vectors", "hf://org/name", "texts.jsonl").code == 0)
    let snapshot = project.root.appending(path: "cache/hub/models--org--name/snapshots/\(commit)")
    let blob = snapshot.appending(path: "config.json").resolvingSymlinksInPath()
    try Data(try Data(contentsOf: blob).map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "\t") : $0 }).write(to: blob)
    let ended = try await retort("run", "pipeline.yaml")
    #expect(ended.code == 1 && ended.output.contains("\(blob.path) is not what the hub lists; remove it"))
  }

  @Test func `a published model carries the licence of its base`() async throws {
    try project.write(
      #"{"id": "1", "query": "a", "positives": [{"id": "p", "text": "b"}], "negatives": [{"id": "n", "text": "c"}]}"#
        + "\n", to: "groups.jsonl")
    try project.write(
      """
      version: 1
      stages:
        teacher:
          uses: teacher
          in: {base: "hf://org/name", train: groups.jsonl}
          with: {epochs: 1}
          publish: teacher
      """)
    let ended = try await retort("run", "pipeline.yaml")
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    let card = try project.read("teacher/README.md")
    #expect(card.contains("\nbase_model: org/name\nlicense: other\nlicense_name: \"kept: so\"\n"), "\(card)")
  }

  // MARK: - Commands

  private struct Inspected: Decodable {
    struct Part: Decodable { var name: String, parameters: Int }
    struct Vocabulary: Decodable { var kind: String, pieces: Int }
    struct Forecast: Decodable {
      struct Memory: Decodable { var work: String, texts: Int, bytes: Int, lora: Int? }
      var tokens: Int
      var memory: [Memory]
    }
    var architecture, kind: String
    var commit, licence: String?
    var parameters: Int
    var parts: [Part]
    var types: [String: Int]
    var tokenizer: Vocabulary
    var pooling, similarity: String?
    var forecast: Forecast
  }

  @Test func `inspecting a hub's model downloads no weights and says what its folder's says`() async throws {
    let options = ["--max-len", "16", "--batch-size", "4", "--lora-r", "2", "--precision", "fp32", "--json"]
    func inspect(_ model: String) async throws -> Inspected {
      try await project.run(
        retortProgram, ["model", "inspect", model] + options,
        environment: server.environment(home: project.root.appending(path: "cache"))
      ).decoded()
    }
    let (hub, folder) = try await (inspect("hf://org/name"), inspect("repository"))
    let cache = project.root.appending(path: "cache").path
    #expect(FileManager.default.subpaths(atPath: cache)?.contains { $0.hasSuffix("model.safetensors") } == false)
    #expect(hub.commit == commit && folder.commit == nil)
    #expect(hub.licence == "kept: so" && folder.licence == "kept: so")
    #expect(hub.architecture == "bert" && hub.kind == "bi-encoder" && hub.tokenizer.kind == "WordPiece")
    #expect(hub.parts.map(\.name).starts(with: ["embeddings", "encoder"]))
    #expect(hub.parameters == hub.parts.reduce(0) { $0 + $1.parameters } && hub.types == ["F32": hub.parameters])
    #expect(hub.parameters == folder.parameters && hub.forecast.tokens == 16)
    #expect(hub.forecast.memory.map(\.bytes) == folder.forecast.memory.map(\.bytes))
    #expect(
      hub.forecast.memory.map { "\($0.work) \($0.texts) \($0.lora ?? 0)" } == [
        "encode 4 0", "train with LoRA 4 2", "train with LoRA 1 2", "train whole 4 0", "train whole 1 0",
      ])
  }

  @Test func `the list has what is in the cache, and Korean models first`() async throws {
    struct List: Decodable {
      struct Cached: Decodable { var repository, commit: String, bytes: Int, licence: String? }
      struct Known: Decodable { var repository, languages: String, parameters: Int }
      var cached: [Cached]
      var known: [Known]
    }
    #expect(try await retort("model", "list", "--json").decoded(List.self).cached.isEmpty)
    _ = try await retort("vectors", "hf://org/name", "texts.jsonl")
    let asked = server.requests.count
    let list: List = try await retort("model", "list", "--json").decoded()
    #expect(list.cached.map(\.repository) == ["org/name"] && list.cached[0].commit == commit)
    #expect(list.cached[0].licence == "kept: so")
    #expect(list.known.first?.languages == "Korean" && list.known.last?.languages == "English")
    #expect(server.requests.count == asked)
  }
}
