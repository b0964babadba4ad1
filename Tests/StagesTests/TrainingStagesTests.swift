/// The stages that train and run models, end to end on a vocabulary of forty words.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing
import Training

@testable import Stages

@Suite struct TrainingStagesTests {
  @Test func `teacher, score and distill turn a random model into one that ranks better`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase(width: 64, layers: 2)
    let teacher = try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"],
      smallTraining.merging(["epochs": .int(40)]) { $1 }, to: "teacher")
    let losses = teacher.steps("loss")
    #expect(losses.count == 40 * 6)  // 36 pairs, 6 a batch
    #expect(mean(losses.suffix(6)) < 0.5 * mean(losses.prefix(6)))
    #expect(try #require(teacher.final("validation_ap")) > 0.9)

    try await workshop.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    let scored = try ScoredList.read(workshop.url("scores.jsonl"))
    #expect(scored.allSatisfy { $0.candidates[0].score > $0.candidates[1].score })

    let student = try await workshop.run(
      Distill.self, ["base": "base", "scores": "scores.jsonl", "validation": "groups.jsonl"],
      smallTraining.merging(["K": .int(3), "epochs": .int(8)]) { $1 }, to: "student")
    for name in ["loss", "kl", "contrastive", "negative_penalty"] {
      let values = student.steps(name)
      #expect(mean(values.suffix(2)) < mean(values.prefix(2)), "\(name)")
    }
    #expect(student.final("validation_ndcg@10") == student.steps("validation_ndcg@10").max())
    // Three positives that serve as each other's negatives can be 3/(2·2) apart: more than the margin.
    #expect(!student.lines.contains { $0.contains("cannot exceed") })
  }

  @Test(arguments: ["ranknet", "listnet", "lambda"])
  func `a loss over a query's passages turns a random model into one that ranks better`(loss: String) async throws {
    let workshop = Workshop()
    try await workshop.makeBase(width: 64, layers: 2)
    let reports = try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl", "validation": "candidates.jsonl"],
      smallTraining.merging([
        "loss": .string(loss), "epochs": .int(40), "lambda": loss == "listnet" ? .null : .map(["k": .int(2)]),
      ]) { $1 }, to: "teacher")
    let losses = reports.steps("loss")
    #expect(losses.count == 40 * 2)  // 12 queries, 6 a batch
    // listnet's least is the entropy of softmax(1, 0, 0), the others' is 0.
    let least = loss == "listnet" ? log(M_E + 2) - M_E / (M_E + 2) : 0
    #expect(mean(losses.suffix(4)) - least < 0.5 * (mean(losses.prefix(4)) - least))
    #expect(try #require(reports.final("validation_ndcg@10")) > 0.9)
  }

  @Test func `a reranker learns a larger one's margins by its scores, and refuses labels`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl"], smallTraining.merging(["lr": .double(1e-2)]) { $1 },
      to: "teacher")
    try await workshop.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    let parameters = smallTraining.merging(["loss": .string("margin_mse"), "epochs": .int(10)]) { $1 }
    let reports = try await workshop.run(
      Teacher.self, ["base": "base", "train": "scores.jsonl", "validation": "scores.jsonl"], parameters, to: "small")
    let losses = reports.steps("validation_loss")
    #expect(try #require(losses.last) < 0.5 * losses[0])
    for (inputs, message) in [
      (["train": "groups.jsonl"], "`q0` has no teacher's scores"),
      (["train": "scores.jsonl", "validation": "groups.jsonl"], "`best_metric: loss` with `loss: margin_mse` needs"),
    ] {
      await #expect {
        try await workshop.run(Teacher.self, inputs.merging(["base": "base"]) { $1 }, parameters, to: "other")
      } throws: {
        "\($0)".contains(message)
      }
    }
    let byRank = try await workshop.run(
      Teacher.self, ["base": "base", "train": "scores.jsonl", "validation": "groups.jsonl"],
      parameters.merging(["best_metric": .string("ndcg@10"), "epochs": .int(1)]) { $1 }, to: "by-rank")
    #expect(byRank.steps("validation_loss") == [] && byRank.steps("validation_ndcg@10").count == 1)
  }

  @Test func `a list that fits no memory as a whole gives the bytes of one that does`() async throws {
    var outputs: [[String: Data]] = []
    for memory in [1 << 30, 0] {
      var workshop = Workshop()
      try await workshop.makeBase()
      let train = { (workshop: Workshop) in
        try await workshop.run(
          Teacher.self, ["base": "base", "train": "groups.jsonl"],
          smallTraining.merging(["loss": .string("lambda"), "epochs": .int(2)]) { $1 }, to: "model")
      }
      if memory == 0 {
        workshop.memory = try await workshop.leastMemory { _ = try await train($0) }
      }
      _ = try await train(workshop)
      outputs.append(try workshop.bytes("model"))
    }
    #expect(outputs[0] == outputs[1])
  }

  @Test func `a new head may begin with the log-odds of the labels`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    for (bias, expected) in [("zero", Float(0)), ("prior", Float(log(3.0 * 12 / 24)))] {
      try await workshop.run(
        Teacher.self, ["base": "base", "train": "groups.jsonl"],
        smallTraining.merging(["head_bias": .string(bias), "pos_weight": .double(3), "epochs": .int(0)]) { $1 },
        to: bias)
      let file = try SafeTensors(contentsOf: workshop.url("\(bias)/model.safetensors"))
      #expect(try file.floats("classifier.bias") == [expected])
    }
  }

  @Test func `a curriculum begins without hard negatives, and needs both kinds`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let mixed = try CandidateList.read(workshop.url("candidates.jsonl")).map { list in
      CandidateList(
        id: list.id, query: list.query,
        candidates: list.candidates.enumerated().map { place, candidate in
          Candidate(
            passage: candidate.passage, isPositive: candidate.isPositive,
            source: place == 2 ? .nearest : candidate.source)
        })
    }
    try CandidateList.write(mixed, to: workshop.url("mixed.jsonl"))
    let parameters = smallTraining.merging(["curriculum": .int(2), "epochs": .int(3)]) { $1 }
    let reports = try await workshop.run(
      Teacher.self, ["base": "base", "train": "mixed.jsonl"], parameters, to: "teacher")
    #expect(reports.steps("loss").count == 4 + 4 + 6)  // 24, 24 and 36 pairs, 6 a batch
    await #expect {
      try await workshop.run(Teacher.self, ["base": "base", "train": "candidates.jsonl"], parameters, to: "other")
    } throws: {
      "\($0)".contains("and no negative is one")
    }
  }

  @Test func `options of one loss are refused with another`() throws {
    func problems(_ parameters: [String: ParameterValue]) throws -> [String] {
      try Teacher.bound(
        to: StageBinding(
          inputs: ["base": BoundArtifact(url: URL(filePath: "/")), "train": BoundArtifact(url: URL(filePath: "/"))],
          parameters: parameters, outputs: ["model": URL(filePath: "/")], seed: 1)
      ).problems()
    }
    #expect(
      try problems(["loss": .string("listnet"), "pos_weight": .double(2)]) == ["`pos_weight` is for `loss: bce`"])
    #expect(try problems(["lambda": .map(["k": .int(3)])]).count == 1)
    #expect(try problems(["loss": .string("ranknet"), "lambda": .map(["weighting": .string("none")])]).count == 1)
    #expect(try problems(["loss": .string("ranknet"), "lambda": .map(["k": .int(3)])]) == [])
  }

  @Test func `neither threads nor memory change a byte of any model`() async throws {
    var outputs: [[String: Data]] = []
    for threads in [1, 2] {
      var workshop = Workshop()
      try await workshop.makeBase()
      try await workshop.run(
        Teacher.self, ["base": "base", "train": "groups.jsonl"],
        smallTraining.merging(["lora": smallLora, "epochs": .int(1)]) { $1 }, to: "teacher")
      try await workshop.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
      let distil = { (workshop: Workshop) in
        try await workshop.run(
          Distill.self, ["base": "base", "scores": "scores.jsonl"],
          smallTraining.merging(["lora": smallLora, "K": .int(3)]) { $1 }, to: "student")
      }
      workshop.threads = threads
      if threads == 2 {
        workshop.memory = try await workshop.leastMemory { _ = try await distil($0) }
      }
      _ = try await distil(workshop)
      outputs.append(try workshop.bytes("student"))
    }
    #expect(outputs[0].keys.contains("adapter/adapter_model.safetensors"))
    #expect(outputs[0] == outputs[1])
  }

  @Test func `a teacher with adapters keeps them beside the merged weights`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let reports = try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl"],
      smallTraining.merging(["lora": smallLora, "max_samples": .int(5)]) { $1 }, to: "teacher")
    #expect(reports.lines.contains("[teacher] Queries used: 5 of 12"))
    #expect(reports.lines.contains("[teacher] Pairs: 15 | Positive: 5 | Negative: 10"))
    let files = try workshop.bytes("teacher").keys
    for name in ["adapter/adapter_config.json", "lora_config.json", "model.safetensors", "tokenizer.json"] {
      #expect(files.contains(name))
    }
  }

  @Test func `no epochs write the model as it was`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl"], smallTraining.merging(["epochs": .int(0)]) { $1 },
      to: "teacher")
    try await workshop.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    try await workshop.run(
      Distill.self, ["base": "base", "scores": "scores.jsonl"],
      smallTraining.merging(["epochs": .int(0), "K": .int(3)]) { $1 }, to: "student")
    #expect(try workshop.bytes("student")["model.safetensors"] == workshop.bytes("base")["model.safetensors"])
  }

  @Test func `embed writes a row for each text and the ids in order`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await workshop.run(Embed.self, ["model": "base", "texts": "corpus.jsonl"], to: "embeddings")
    let file = try SafeTensors(contentsOf: workshop.url("embeddings/embeddings.safetensors"))
    #expect(try file.shape(of: "embeddings") == [3, 16])
    let ids = try JSONDecoder().decode([String].self, from: Data(contentsOf: workshop.url("embeddings/ids.json")))
    #expect(ids == ["forest", "market", "river"])
  }

  @Test func `a table of triplets is evaluated by what embed makes of its texts`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let rows = [
      ("river boat", "forest", "market"), ("market day", "market", "river"), ("river boat", "river", "forest"),
    ]
    let table = ["anchor,positive,negative"] + rows.map { "\($0.0),\($0.1),\($0.2)" }
    try workshop.folder.get().write(table.joined(separator: "\n"), to: "test.csv")
    let texts = rows.flatMap { [$0.0, $0.1, $0.2] }
    try Passage.write(
      texts.enumerated().map { Passage(id: "\($0)", text: $1) }, to: workshop.url("texts.jsonl"))
    try await workshop.run(Embed.self, ["model": "base", "texts": "texts.jsonl"], to: "embeddings")
    let file = try SafeTensors(contentsOf: workshop.url("embeddings/embeddings.safetensors"))
    let vectors = try file.floats("embeddings").map(Double.init)
    func cosine(_ left: Int, _ right: Int) -> Double {
      func dot(_ a: Int, _ b: Int) -> Double { (0..<16).reduce(0) { $0 + vectors[a * 16 + $1] * vectors[b * 16 + $1] } }
      return dot(left, right) / (dot(left, left) * dot(right, right)).squareRoot()
    }
    let reports = try await workshop.run(
      Evaluate.self, ["model": "base", "data": "test.csv"], to: "results")
    let text = try Data(contentsOf: workshop.url("results"))
    let json = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    let positives = rows.indices.map { (cosine($0 * 3, $0 * 3 + 1) + 1) / 2 }
    let margins = rows.indices.map { positives[$0] - (cosine($0 * 3, $0 * 3 + 2) + 1) / 2 }
    #expect(json["total_samples"] as? Int == 3)
    #expect(abs(try #require(json["pos_cosine_similarity_mean"] as? Double) - mean(positives)) < 1e-6)
    #expect(abs(try #require(json["margin_mean"] as? Double) - mean(margins)) < 1e-6)
    let first = try #require((json["first_row"] as? [String: Any])?["positive"] as? [String: Any])
    #expect(abs(try #require(first["raw"] as? Double) - cosine(0, 1)) < 1e-6)
    #expect(abs(try #require(first["normalized"] as? Double) - positives[0]) < 1e-6)
    #expect(reports.lines.contains { $0.hasPrefix("[evaluate] the first row: positive ") })
  }

  @Test func `a text of nothing but control characters is named`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try workshop.folder.get().write("{\"id\":\"p7\",\"text\":\"\\u0001\\u0002\"}\n", to: "empty.jsonl")
    await #expect {
      try await workshop.run(Embed.self, ["model": "base", "texts": "empty.jsonl"], to: "embeddings")
    } throws: {
      "\($0)".contains("p7")
    }
  }

  @Test func `queries without negatives get other queries' passages`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let bare = try QueryGroup.read(workshop.url("groups.jsonl")).map {
      QueryGroup(id: $0.id, query: $0.query, positives: $0.positives)
    }
    try QueryGroup.write(bare, to: workshop.url("bare.jsonl"))
    var parameters = smallTraining.merging(["epochs": .int(0), "random_negatives": .int(2)]) { $1 }
    let reports = try await workshop.run(
      Teacher.self, ["base": "base", "train": "bare.jsonl"], parameters, to: "teacher")
    // Three passages in all: the two others are each query's negatives, as in the groups that list them.
    #expect(reports.lines.contains("[teacher] Pairs: 36 | Positive: 12 | Negative: 24"))

    parameters["random_negatives"] = .int(0)
    await #expect {
      try await workshop.run(Teacher.self, ["base": "base", "train": "bare.jsonl"], parameters, to: "other")
    } throws: {
      "\($0)".contains("random_negatives")
    }
  }

  @Test func `mined candidates train a teacher as the groups they came from`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let candidates = BoundArtifact(url: try workshop.url("candidates.jsonl"), type: .candidates)
    let groups = BoundArtifact(url: try workshop.url("groups.jsonl"), type: .groups)
    let read = try [candidates, groups].map { try #require(LabelledFile(bound: $0)).read(drawing: 0, seed: 1) }
    #expect(read[0] == read[1])
    // Given by their paths they are what their first lines are.
    let named = try [candidates, groups].map { try #require(LabelledFile(bound: BoundArtifact(url: $0.url))) }
    #expect(try named.map { try $0.read(drawing: 0, seed: 1) } == read)
  }

  @Test func `a file that is neither groups nor candidates is told as groups`() async throws {
    let folder = try ScratchFolder()
    let file = try #require(LabelledFile(bound: BoundArtifact(url: folder.write("{\"id\": \"q\"}\n", to: "x.jsonl"))))
    let message = await failure { try file.read(drawing: 0, seed: 1) }
    #expect(message == "x.jsonl:1: error: record 1: the key `query` is missing")
  }
}
