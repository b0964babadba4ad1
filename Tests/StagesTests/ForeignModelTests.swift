/// Stages with models that other programs made: teachers of the distillation program, prompts, dot products.
import Foundation
import JSONText
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct ForeignModelTests {
  private let run: StageRun
  private let pytorch = fixtures.appending(path: "pytorch")

  init() throws { run = try StageRun() }

  private func json(_ file: URL) throws -> JSONValue {
    try Data(contentsOf: file).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  /// The pairs of logits.json as candidates, a query each, and what PyTorch's model says of them.
  private func candidates(_ model: String) throws -> [Float] {
    let golden = try json(pytorch.appending(path: "logits.json"))
    let pairs = try #require(golden["pairs"]?.elements).map { $0.elements?.compactMap(\.string) ?? [] }
    try CandidateList.write(
      pairs.enumerated().map { index, pair in
        let passage = Passage(id: "p\(index)", text: pair[1])
        return CandidateList(
          id: "q\(index)", query: pair[0],
          candidates: [Candidate(passage: passage, isPositive: true, source: .positive)])
      }, to: run.folder.url.appending(path: "candidates.jsonl"))
    return try #require(golden["logits"]?[model]?.elements).compactMap { $0.double.map { Float($0) } }
  }

  private func logits(_ path: String) throws -> [Float] {
    try ScoredList.read(run.folder.url.appending(path: path)).flatMap { $0.candidates.map(\.logit) }
  }

  private func isClose(_ found: [Float], _ expected: [Float]) -> Bool {
    found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 }
  }

  @Test func `score judges with a teacher of the distillation program as PyTorch does`() async throws {
    let expected = try candidates("teacher-lora")
    try await run.run(
      Score.self,
      inputs: [
        "teacher": pytorch.appending(path: "teacher-lora").path, "base": pytorch.appending(path: "base").path,
        "candidates": "candidates.jsonl",
      ])
    #expect(isClose(try logits("scores"), expected))
  }

  @Test func `a teacher of the distillation program becomes a folder of its own, which no CrossEncoder is`()
    async throws
  {
    let expected = try candidates("teacher-lora")
    try run.folder.write(
      #"{"id": "q", "query": "a", "positives": [{"id": "p", "text": "b"}], "negatives": [{"id": "n", "text": "c"}]}"#
        + "\n", to: "groups.jsonl")
    try await run.run(
      Teacher.self,
      inputs: [
        "base": pytorch.appending(path: "teacher-lora").path, "encoder": pytorch.appending(path: "base").path,
        "train": "groups.jsonl",
      ], with: ["epochs": .int(0)])
    let config = try json(run.folder.url.appending(path: "model/config.json"))
    #expect(config["architectures"] == ["BertModel"] && config["retort_head"] == "first_token")
    try await run.run(Score.self, inputs: ["teacher": "model", "candidates": "candidates.jsonl"])
    #expect(isClose(try logits("scores"), expected))
  }

  @Test func `a head of two labels stays one through training, and scores as in PyTorch`() async throws {
    let expected = try candidates("labels-2")
    try writeTeachable()
    let base = pytorch.appending(path: "labels-2").path
    try await run.run(Teacher.self, inputs: ["base": base, "train": "groups.jsonl"], with: ["epochs": .int(0)])
    let weights = try SafeTensors(contentsOf: run.folder.url.appending(path: "model/model.safetensors"))
    #expect(try weights.shape(of: "classifier.weight") == [2, 32])
    let config = try json(run.folder.url.appending(path: "model/config.json"))
    #expect(config["id2label"] == nil && config["sentence_transformers"] == nil)
    try await run.run(Score.self, inputs: ["teacher": "model", "candidates": "candidates.jsonl"])
    #expect(isClose(try logits("scores"), expected))
    try FileManager.default.removeItem(at: run.folder.url.appending(path: "model"))

    try await run.run(
      Teacher.self, inputs: ["base": base, "train": "groups.jsonl", "validation": "groups.jsonl"],
      with: ["epochs": .int(30), "lr": .double(1e-3)])
    let losses = run.metrics("validation_loss")
    #expect(try #require(losses.last) < 0.5 * losses[0])
    await #expect {
      try await run.run(
        Teacher.self, inputs: ["base": base, "train": "groups.jsonl"], with: ["loss": .string("lambda")])
    } throws: {
      "\($0)".contains("two labels, which only `loss: bce` trains")
    }
  }

  @Test(arguments: [
    ("config.json", #""sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}"#),
    ("config.json", #""sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity""#),
    ("config_sentence_transformers.json", #""activation_fn": "torch.nn.modules.linear.Identity""#),
  ])
  func `an activation other than the sigmoid is told, and the folder that comes of it has a sigmoid`(
    file: String, entry: String
  ) async throws {
    try writeTeachable()
    let head = ["epochs": ParameterValue.int(0)]
    try await run.run(
      Teacher.self, inputs: ["base": pytorch.appending(path: "base").path, "train": "groups.jsonl"], with: head)
    let folder = run.folder.url.appending(path: "base")
    try FileManager.default.moveItem(at: run.folder.url.appending(path: "model"), to: folder)
    var text = file == "config.json" ? try String(contentsOf: folder.appending(path: file), encoding: .utf8) : "{}"
    text = text.replacing("\"sentence_transformers\"", with: "\"unused\"")
    let separator = text == "{}" ? "" : ", "
    text = "{" + entry + separator + text.drop { $0 != "{" }.dropFirst()
    try text.write(to: folder.appending(path: file), atomically: true, encoding: .utf8)

    try await run.run(Teacher.self, inputs: ["base": "base", "train": "groups.jsonl"], with: head)
    let notice = "CrossEncoder gives what torch.nn.modules.linear.Identity makes of the logit"
    #expect(run.messages.count { $0.contains(notice) } == 1)
    let config = try json(run.folder.url.appending(path: "model/config.json"))
    let sigmoid = JSONValue.string("torch.nn.modules.activation.Sigmoid")
    #expect(config["sentence_transformers"]?["activation_fn"] == sigmoid)
    #expect(config["sbert_ce_default_activation_function"] ?? sigmoid == sigmoid)
  }

  /// Four queries, whose passages are told apart by their first letter.
  private func writeTeachable() throws {
    let lines = ["a", "b", "c", "d"].map { letter in
      let other = letter == "a" ? "t" : "s"
      return
        #"{"id": "\#(letter)", "query": "\#(letter) e", "positives": [{"id": "p\#(letter)", "text": "\#(letter) f"}], "#
        + #""negatives": [{"id": "n\#(letter)", "text": "\#(other) \#(letter)"}]}"#
    }
    try run.folder.write(lines.joined(separator: "\n") + "\n", to: "groups.jsonl")
  }

  private static let training: [String: ParameterValue] = [
    "epochs": .int(40), "lr": .double(1e-2), "batch_size": .int(8), "max_len": .int(16), "keep": .string("last"),
  ]

  /// With adapters, too, classifier and all that adapters sit on learn; a pooler is not made up.
  @Test(arguments: [false, true])
  func `a teacher of the distillation program is trained further with its own head`(adapters: Bool) async throws {
    try writeTeachable()
    let lora: [String: ParameterValue] = adapters ? ["lora": .map(["r": .int(4), "alpha": .double(8)])] : [:]
    let teacher = pytorch.appending(path: "teacher-lora").path
    try await run.run(
      Teacher.self,
      inputs: [
        "base": teacher, "encoder": pytorch.appending(path: "base").path, "train": "groups.jsonl",
        "validation": "groups.jsonl",
      ], with: Self.training.merging(lora) { $1 })
    let model = run.folder.url.appending(path: "model")
    #expect(try json(model.appending(path: "config.json"))["retort_head"] == "first_token")
    let file = try SafeTensors(contentsOf: model.appending(path: "model.safetensors"), in: model)
    #expect(!file.names.contains { $0.contains("pooler") } && file.contains("classifier.weight"))
    #expect(try #require(run.metrics("validation_loss").first) > 0.3)
    #expect(try #require(run.metrics("validation_loss").last) < 0.1)

    // From its own folder it goes on as it is: what it has learnt is there at the start.
    let (again, groups) = (try StageRun(), run.folder.url.appending(path: "groups.jsonl").path)
    try await again.run(
      Teacher.self, inputs: ["base": model.path, "train": groups, "validation": groups],
      with: Self.training.merging(["epochs": .int(1), "lr": .double(1e-6)]) { $1 })
    #expect(try #require(again.metrics("validation_loss").first) < 0.1)
  }

  @Test func `evaluate and mine take a teacher of the distillation program with its encoder`() async throws {
    try run.folder.write(
      [("q1", "a", "b"), ("q2", "c", "d")].map { id, query, text in
        #"{"id": "\#(id)", "query": "\#(query)", "positives": [{"id": "p\#(id)", "text": "\#(text)"}], "negatives": []}"#
      }.joined(separator: "\n") + "\n", to: "groups.jsonl")
    let (teacher, base) = (pytorch.appending(path: "teacher-plain").path, pytorch.appending(path: "base").path)
    try await run.run(Evaluate.self, inputs: ["model": teacher, "base": base, "data": "groups.jsonl"])
    #expect(try json(run.folder.url.appending(path: "results"))["score_scale"] == "logit")
    try await run.run(
      Mine.self, inputs: ["groups": "groups.jsonl", "teacher": teacher, "base": base],
      with: ["num_negatives": .int(1), "teacher_max_score": .double(1)])
    #expect(try run.lines("candidates").count == 2)
  }

  @Test func `mine refuses an encoder for a teacher that is not there`() async throws {
    try run.folder.write("", to: "groups.jsonl")
    let message = await failure {
      try await run.run(
        Mine.self, inputs: ["groups": "groups.jsonl", "base": pytorch.appending(path: "base").path])
    }
    #expect(message.contains("none to `teacher`"))
  }

  /// The folder with prompts and a dot product, and the queries that sentence-transformers evaluated it with.
  private func prompted() throws -> JSONValue {
    let folder = run.folder.url.appending(path: "prompted")
    try FileManager.default.copyItem(at: pytorch.appending(path: "base"), to: folder)
    let files = fixtures.appending(path: "folders/prompted")
    for item in try FileManager.default.contentsOfDirectory(at: files, includingPropertiesForKeys: nil) {
      try FileManager.default.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
    }
    let golden = try json(fixtures.appending(path: "folders/vectors.json"))
    let texts = try ["queries", "passages"].map { try #require(golden[$0]?.elements).compactMap(\.string) }
    try QueryGroup.write(
      zip(texts[0], texts[1]).enumerated().map { index, pair in
        let number = index < 10 ? "0\(index)" : "\(index)"
        return QueryGroup(id: "q\(number)", query: pair.0, positives: [Passage(id: "p\(number)", text: pair.1)])
      }, to: run.folder.url.appending(path: "groups.jsonl"))
    return golden
  }

  @Test(arguments: [("prompted", "unbounded"), ("plain", "cosine")])
  func `an evaluation ranks by the folder's prompts and similarity as sentence-transformers does`(
    name: String, scale: String
  ) async throws {
    let expected = try #require(try prompted()[name]?["metrics"])
    let model = name == "prompted" ? name : pytorch.appending(path: "base").path
    try await run.run(Evaluate.self, inputs: ["model": model, "data": "groups.jsonl"])
    for metric in ["mrr@10", "ndcg@10"] {
      let (found, wanted) = (try #require(run.metric(metric)), try #require(expected[metric]?.double))
      #expect(abs(found - wanted) < 1e-6, "\(metric): \(found), not \(wanted)")
    }
    #expect(try json(run.folder.url.appending(path: "results"))["score_scale"] == .string(scale))
    #expect(run.messages.contains { $0.contains("the mean of all is taken") } == (name == "plain"))
  }

  @Test func `retrieval scores are sentence-transformers' products of prompted queries and passages`() async throws {
    let golden = try prompted()
    func vectors(_ role: String) throws -> [[Double]] {
      try #require(golden["prompted"]?[role]?.elements).map { $0.elements?.compactMap(\.double) ?? [] }
    }
    let (queries, passages) = try (vectors("query"), vectors("passage"))
    let groups = try QueryGroup.read(run.folder.url.appending(path: "groups.jsonl"))
    try Passage.write(groups.flatMap(\.positives), to: run.folder.url.appending(path: "corpus.jsonl"))
    try run.folder.write(
      groups.map { #"{"id": "\#($0.id)", "query": "\#($0.query)"}"# }.joined(separator: "\n"), to: "queries.jsonl")
    try await run.run(
      Retrieve.self, inputs: ["queries": "queries.jsonl", "corpus": "corpus.jsonl", "model": "prompted"],
      with: ["top_k": .int(12)])
    let hits = try run.lines("ranking").map { line in
      var line = line
      return try line.withUTF8 { bytes in
        var reader = JSONReader(UnsafeRawBufferPointer(bytes))
        return try reader.onlyValue()
      }
    }
    #expect(hits.count == 12 * 12)
    for hit in hits {
      let (query, passage) = (try #require(hit["id"]?.string), try #require(hit["passage"]?.string))
      let (row, column) = (try #require(Int(query.dropFirst())), try #require(Int(passage.dropFirst())))
      let expected = zip(queries[row], passages[column]).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(try #require(hit["score"]?.double) - expected) < 1e-4, "\(query) \(passage)")
    }
  }

  @Test func `vectors are embedded with the prompt that is asked for`() async throws {
    let golden = try prompted()
    let texts = try #require(golden["passages"]?.elements).compactMap(\.string)
    try Passage.write(
      texts.enumerated().map { Passage(id: "\($0)", text: $1) }, to: run.folder.url.appending(path: "corpus.jsonl"))
    try await run.run(
      Embed.self, inputs: ["model": "prompted", "texts": "corpus.jsonl"], with: ["prompt": .string("passage")])
    let file = try SafeTensors(contentsOf: run.folder.url.appending(path: "embeddings/embeddings.safetensors"))
    let found = try file.floats("embeddings")
    let expected = try #require(golden["prompted"]?["passage"]?.elements).flatMap { $0.elements ?? [] }
    #expect(isClose(found, expected.compactMap { $0.double.map { Float($0) } }))
  }

  @Test func `a student that compared by dot product is told of, and saved with the cosine that trained it`()
    async throws
  {
    _ = try prompted()
    try run.folder.write(
      #"{"id": "q", "query": "a", "candidates": [{"id": "p", "text": "b", "label": 1, "source": "positive", "#
        + #""logit": 1.5, "score": 0.8}, {"id": "n", "text": "c", "label": 0, "source": "given", "logit": -1, "#
        + #""score": 0.3}]}"# + "\n", to: "scores.jsonl")
    try await run.run(
      Distill.self, inputs: ["base": "prompted", "scores": "scores.jsonl"], with: ["K": .int(2), "epochs": .int(0)])
    let general = try json(run.folder.url.appending(path: "student/config_sentence_transformers.json"))
    #expect(general["similarity_fn_name"] == "cosine" && general["prompts"]?["query"] == "a b ")
    #expect(run.messages.contains { $0.contains("the student is saved with `similarity_fn_name: cosine`") })
  }

  @Test func `a shift to 0 to 1 is refused for dot products`() async throws {
    _ = try prompted()
    let message = await failure {
      try await run.run(
        Normalize.self, inputs: ["model": "prompted", "data": "groups.jsonl"], with: ["method": .string("shift")])
    }
    #expect(message.contains("which `method: shift` cannot map"))
  }
}
