/// The `dual-encoder` stage, end to end on a vocabulary of forty words.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing
import Training

@testable import Stages

private let dual = smallTraining.merging(["num_negatives": .int(2)]) { $1 }

private func workshop(width: Int = 16, layers: Int = 1) async throws -> Workshop {
  let workshop = Workshop()
  try await workshop.makeBase(width: width, layers: layers)
  return workshop
}

@Suite struct DualEncoderTests {
  @Test(arguments: ["ce", "mnr", "cosent"])
  func `labels turn a random model into one that ranks better`(loss: String) async throws {
    let workshop = try await workshop(width: 32)
    let reports = try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"],
      dual.merging(["loss": .string(loss), "epochs": .int(10), "lr": .double(5e-3)]) { $1 }, to: "model")
    let losses = reports.steps("loss")
    #expect(mean(losses.suffix(4)) < 0.7 * mean(losses.prefix(4)))
    #expect(try #require(reports.final("validation_ndcg@10")) > 0.9)
    // Three passages, all of them each query's candidates.
    #expect(reports.final("validation_candidates_accuracy@1") == reports.final("validation_accuracy@1"))
    #expect(reports.final("validation_candidates_mean_rank") == reports.final("validation_mean_rank"))
    #expect(reports.lines.contains { $0.hasPrefix("[dual-encoder] Queries used: 12 of 12") })
  }

  @Test func `margin_mse learns a teacher's scores, and refuses labels`() async throws {
    let workshop = try await workshop()
    try await workshop.run(
      Teacher.self, ["base": "base", "train": "groups.jsonl"], smallTraining.merging(["lr": .double(1e-2)]) { $1 },
      to: "teacher")
    try await workshop.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    let parameters = dual.merging(["loss": .string("margin_mse"), "epochs": .int(8)]) { $1 }
    let reports = try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "scores.jsonl"], parameters, to: "model")
    let losses = reports.steps("loss")
    #expect(mean(losses.suffix(2)) < mean(losses.prefix(2)))
    await #expect {
      try await workshop.run(DualEncoder.self, ["base": "base", "train": "groups.jsonl"], parameters, to: "other")
    } throws: {
      "\($0)".contains("`q0` has no teacher's scores")
    }
  }

  @Test func `the temperature learns, is logged and saved, and is where the next training begins`() async throws {
    let workshop = try await workshop()
    let first = try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "groups.jsonl"],
      dual.merging(["temperature": .map(["init": .double(0.2), "lr": .double(0.1)])]) { $1 }, to: "first")
    let temperatures = first.steps("temperature")
    #expect(temperatures.count == 16)  // three passages: at most three queries a batch, and four epochs
    #expect(Set(temperatures).count == 16)
    let saved = try #require(try FolderTemperature(in: workshop.url("first")))
    #expect(abs(exp(saved.logTemperature) - (temperatures.last ?? 0)) < 1e-6)

    let second = try await workshop.run(
      DualEncoder.self, ["base": "first", "train": "groups.jsonl"],
      dual.merging(["temperature": .map(["learn": .bool(false)])]) { $1 }, to: "second")
    #expect(second.steps("temperature").allSatisfy { abs($0 - exp(saved.logTemperature)) < 1e-6 })
  }

  @Test func `a temperature never falls below its least, and one too high to fall is told`() async throws {
    let workshop = try await workshop()
    let low = try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "groups.jsonl"],
      dual.merging(["temperature": .map(["init": .double(0.05), "lr": .double(5), "min": .double(0.04)])]) { $1 },
      to: "low")
    #expect(low.steps("temperature").allSatisfy { $0 > 0.0399 })
    let high = try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "groups.jsonl"],
      dual.merging(["temperature": .map(["init": .double(1), "lr": .double(2e-5)])]) { $1 }, to: "high")
    #expect(high.lines.contains { $0.contains("τ begins at 1.0000 and cannot fall below 0.9") })
    #expect(!low.lines.contains { $0.contains("τ begins") })
  }

  @Test func `neither threads nor memory change a byte`() async throws {
    var outputs: [[String: Data]] = []
    for threads in [1, 2] {
      var workshop = try await workshop()
      let train = { (workshop: Workshop) in
        try await workshop.run(
          DualEncoder.self, ["base": "base", "train": "groups.jsonl", "guide": "base"],
          dual.merging([
            "lora": smallLora, "matryoshka": .list([.int(16), .int(8)]),
            "directions": .list([.string("query_to_doc"), .string("query_to_query")]),
          ]) { $1 }, to: "model")
      }
      workshop.threads = threads
      if threads == 2 {
        workshop.memory = try await workshop.leastMemory { _ = try await train($0) }
      }
      _ = try await train(workshop)
      outputs.append(try workshop.bytes("model"))
    }
    #expect(outputs[0].keys.contains("adapter/adapter_model.safetensors"))
    #expect(outputs[0] == outputs[1])
  }

  @Test func `sets that use an id for different texts train side by side`() async throws {
    let workshop = try await workshop()
    let other = [
      QueryGroup(
        id: "q0", query: "where is paper", positives: [Passage(id: "river", text: "the paper of a forest")])
    ]
    try QueryGroup.write(other, to: workshop.url("other.jsonl"))
    let reports = try await workshop.run(
      DualEncoder.self, ["base": "base", "train[1]": "groups.jsonl", "train[2]": "other.jsonl"],
      dual.merging(["epochs": .int(1)]) { $1 }, to: "model")
    #expect(reports.lines.contains("[dual-encoder] Queries used: 1 of 1"))
    #expect(reports.steps("loss").count == 5)
  }

  @Test func `a set without queries is an error, not a training of nothing`() async throws {
    let workshop = try await workshop()
    try workshop.folder.get().write("", to: "none.jsonl")
    await #expect {
      try await workshop.run(
        DualEncoder.self, ["base": "base", "train[1]": "groups.jsonl", "train[2]": "none.jsonl"],
        dual.merging(["mix": .string("round_robin")]) { $1 }, to: "model")
    } throws: {
      "\($0)".contains("none.jsonl")
    }
  }

  @Test func `pooling and prompts act as if the folder had them, and stand in the one that is written`() async throws {
    let workshop = try await workshop()
    let others: [String: ParameterValue] = [
      "pooling": .string("cls"), "prompts": .map(["query": .string("where "), "passage": .string("")]),
    ]
    let inputs = ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"]
    try await workshop.run(
      DualEncoder.self, inputs, dual.merging(["epochs": .int(0)]) { $1 }.merging(others) { $1 }, to: "told")
    let settings = try CheckpointFolder(workshop.url("told")).settings
    #expect(settings.pooling == [.cls])
    #expect(settings.prompts == ["query": "where ", "document": ""])

    try await workshop.run(DualEncoder.self, inputs, dual.merging(others) { $1 }, to: "by parameters")
    try await workshop.run(DualEncoder.self, inputs.merging(["base": "told"]) { $1 }, dual, to: "by folder")
    #expect(try workshop.bytes("by parameters") == workshop.bytes("by folder"))
    for (key, value) in others {
      try await workshop.run(DualEncoder.self, inputs, dual.merging([key: value]) { $1 }, to: key)
      try await workshop.run(DualEncoder.self, inputs, dual, to: "plain")
      #expect(try workshop.bytes(key)["model.safetensors"] != workshop.bytes("plain")["model.safetensors"])
    }
  }

  @Test func `what does not go together is told before the run`() throws {
    func problems(_ parameters: [String: ParameterValue], guide: Bool = false) throws -> [String] {
      var inputs = ["base": BoundArtifact(url: URL(filePath: "/")), "train": BoundArtifact(url: URL(filePath: "/"))]
      if guide { inputs["guide"] = BoundArtifact(url: URL(filePath: "/")) }
      return try DualEncoder.bound(
        to: StageBinding(inputs: inputs, parameters: parameters, outputs: ["model": URL(filePath: "/")], seed: 1)
      ).problems()
    }
    #expect(try problems([:]) == [])
    #expect(try problems(["directions": .list([.string("doc_to_query")])])[0].contains("query_to_doc"))
    #expect(
      try problems([
        "partition_mode": .string("per_direction"),
        "directions": .list([.string("query_to_doc"), .string("doc_to_doc")]),
      ])[0].contains("have no positive"))
    #expect(
      try problems(["matryoshka": .list([.int(8)]), "matryoshka_weights": .list([.double(1), .double(2)])]).count == 1)
    #expect(try problems(["loss": .string("ce")], guide: true)[0].contains("are for `loss: mnr`"))
  }
}
