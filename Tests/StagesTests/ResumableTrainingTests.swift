/// The stages that train, stopped and resumed at every step: with adapters and dropout, with the best epoch kept, with
/// batches that are split, and over more epochs than before.
import Foundation
import Pipelines
import TestSupport
import Testing
import Training

@testable import Stages

private struct InterruptedWorkshop {
  let folder: ScratchFolder
  init() throws { folder = try ScratchFolder() }
  func url(_ path: String) -> URL { folder.url.appending(path: path) }

  func run<S: Stage>(
    _ kind: S.Type, _ inputs: [String: String], _ parameters: [String: ParameterValue], to output: String,
    memory: Int = 1 << 30, keeper: (any StateKeeper)? = nil
  ) async throws {
    let port = try #require(S.description.outputs.first?.name)
    let stage = try S.bound(
      to: StageBinding(
        inputs: inputs.mapValues { BoundArtifact(url: url($0)) }, parameters: parameters, outputs: [port: url(output)],
        seed: 3))
    try await stage.run(
      StageContext(Compute(memory: memory), scratch: url("scratch"), keeper: keeper) { _ in })
  }

  /// Nine queries about three subjects, each with a teacher's scores, and a random encoder.
  func prepare() async throws {
    let passages = ["river": "water bank stream", "market": "price trade goods", "forest": "tree leaf wood"]
      .sorted { $0.key < $1.key }.map { Passage(id: $0.key, text: "the \($0.value) of a \($0.key)") }
    let groups = (0..<9).map { index in
      let passage = passages[index % 3]
      return QueryGroup(
        id: "q\(index)", query: "where is \(passage.text.split(separator: " ")[1 + index % 3]) number \(index)",
        positives: [passage], negatives: passages.filter { $0.id != passage.id })
    }
    try QueryGroup.write(groups, to: url("groups.jsonl"))
    try CandidateList.write(groups.map(CandidateList.init(given:)), to: url("candidates.jsonl"))
    try await run(
      Initialise.self, ["groups": "groups.jsonl"],
      [
        "vocab_size": .int(120), "hidden_size": .int(16), "num_hidden_layers": .int(1), "num_attention_heads": .int(2),
        "intermediate_size": .int(32), "max_position_embeddings": .int(32), "initializer_range": .double(0.1),
      ], to: "base")
    try await run(
      Teacher.self, ["base": "base", "train": "groups.jsonl"], ["epochs": .int(0), "max_len": .int(32)], to: "teacher")
    try await run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], [:], to: "scores.jsonl")
  }

  func bytes(_ path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: url(path).path) {
      let file = url(path).appending(path: name)
      let isFolder = try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory ?? false
      if !isFolder { files[name] = try Data(contentsOf: file) }
    }
    return files
  }
}

private let common: [String: ParameterValue] = [
  "epochs": .int(2), "batch_size": .int(4), "accumulation": .int(2), "lr": .double(5e-3), "max_len": .int(32),
  "schedule": .string("constant"), "warmup_steps": .int(2),
]

@Suite struct ResumableTrainingTests {
  /// Stops a training at each of its moments, resumes it, and holds what it wrote against the undisturbed one.
  private func expectSameBytes(
    _ kind: (some Stage).Type, _ inputs: [String: String], _ parameters: [String: ParameterValue],
    in workshop: InterruptedWorkshop
  ) async throws {
    let whole = MemoryKeeper()
    try await workshop.run(kind, inputs, parameters, to: "whole", keeper: whole)
    #expect(whole.moments == 7)  // the beginning; two steps and an epoch's end, twice
    for moment in 1...whole.moments {
      let stopped = MemoryKeeper(limit: moment)
      await #expect(throws: StageInterrupted.self) {
        try await workshop.run(kind, inputs, parameters, to: "stopped", keeper: stopped)
      }
      let resumed = MemoryKeeper(start: stopped.saved)
      try await workshop.run(kind, inputs, parameters, to: "\(moment)", keeper: resumed)
      #expect(try workshop.bytes("\(moment)") == workshop.bytes("whole"), "moment \(moment)")
      #expect(resumed.final?.tensors == whole.final?.tensors)
    }
  }

  @Test func `a student with dropout in its adapters has the same bytes, wherever it was stopped`() async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let parameters = common.merging([
      "K": .int(3), "lora": .map(["r": .int(2), "alpha": .double(4), "dropout": .double(0.3)]),
    ]) { $1 }
    let inputs = ["base": "base", "scores": "scores.jsonl", "validation": "groups.jsonl"]
    try await expectSameBytes(Distill.self, inputs, parameters, in: workshop)
  }

  @Test func `a teacher whose batches are split has the same bytes, wherever it was stopped`() async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let inputs = ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"]
    let parameters = common.merging(["batch_size": .int(18), "accumulation": .int(1)]) { $1 }
    // The least memory that one chunk needs, as the refusal of none says.
    let refusal = await #expect(throws: TrainingError.self) {
      try await workshop.run(Teacher.self, inputs, parameters, to: "none", memory: 0)
    }
    guard case .doesNotFit(let needed, let available, _)? = refusal else { throw try #require(refusal) }
    let tight = needed - available
    let whole = MemoryKeeper()
    try await workshop.run(Teacher.self, inputs, parameters, to: "whole", memory: tight, keeper: whole)
    for moment in 1...whole.moments {
      let stopped = MemoryKeeper(limit: moment)
      await #expect(throws: StageInterrupted.self) {
        try await workshop.run(
          Teacher.self, inputs, parameters, to: "stopped", memory: tight, keeper: stopped)
      }
      try await workshop.run(
        Teacher.self, inputs, parameters, to: "\(moment)", memory: tight, keeper: MemoryKeeper(start: stopped.saved))
      #expect(try workshop.bytes("\(moment)") == workshop.bytes("whole"), "moment \(moment)")
    }
  }

  @Test(arguments: ["best", "last"])
  func `two epochs continued to four have the bytes of four from the start`(keep: String) async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let inputs = ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"]
    // A rate at which validation gets worse again, so that the best epoch is not the last.
    var parameters = common.merging(["keep": .string(keep), "lr": .double(0.2), "max_samples": .int(6)]) { $1 }
    let two = MemoryKeeper()
    try await workshop.run(Teacher.self, inputs, parameters, to: "two", keeper: two)
    parameters["epochs"] = .int(4)
    try await workshop.run(Teacher.self, inputs, parameters, to: "four", keeper: MemoryKeeper())
    let continued = MemoryKeeper(start: two.final)
    try await workshop.run(Teacher.self, inputs, parameters, to: "continued", keeper: continued)
    #expect(continued.moments == 9)  // the beginning; three steps and an epoch's end, twice
    #expect(try workshop.bytes("continued") == workshop.bytes("four"))
  }

  @Test func `a dual encoder whose temperature learns has the same bytes, wherever it was stopped`() async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let inputs = ["base": "base", "train": "groups.jsonl", "validation": "groups.jsonl"]
    let parameters = common.merging([
      "loss": .string("ce"), "num_negatives": .int(1), "temperature": .map(["init": .double(0.3), "lr": .double(0.1)]),
    ]) { $1 }
    try await expectSameBytes(DualEncoder.self, inputs, parameters, in: workshop)
  }

  @Test(arguments: ["nf4", "int8"])
  func `adapters on a base in codes have the same bytes, wherever they were stopped`(type: String) async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    try await workshop.run(Quantize.self, ["model": "base"], ["type": .string(type)], to: "quantized")
    let parameters = common.merging([
      "loss": .string("ce"), "num_negatives": .int(1),
      "lora": .map(["r": .int(2), "alpha": .double(4), "dropout": .double(0.3)]),
    ]) { $1 }
    let inputs = ["base": "quantized", "train": "groups.jsonl", "validation": "groups.jsonl"]
    try await expectSameBytes(DualEncoder.self, inputs, parameters, in: workshop)
  }

  @Test func `a dual encoder continued to four epochs has the bytes of four from the start`() async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let inputs = ["base": "base", "train": "groups.jsonl"]
    var parameters = common.merging(["temperature": .map(["init": .double(0.3), "lr": .double(0.1)])]) { $1 }
    let two = MemoryKeeper()
    try await workshop.run(DualEncoder.self, inputs, parameters, to: "two", keeper: two)
    parameters["epochs"] = .int(4)
    try await workshop.run(DualEncoder.self, inputs, parameters, to: "four", keeper: MemoryKeeper())
    try await workshop.run(
      DualEncoder.self, inputs, parameters, to: "continued", keeper: MemoryKeeper(start: two.final))
    #expect(try workshop.bytes("continued") == workshop.bytes("four"))
    #expect(try workshop.bytes("two")["retort_training.json"] != workshop.bytes("four")["retort_training.json"])
  }

  @Test func `a checkpoint has the temperature and both of its moments`() async throws {
    struct Outline: Decodable {
      struct Weight: Decodable { let name: String }
      let weights: [Weight]
    }
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let keeper = MemoryKeeper()
    try await workshop.run(
      DualEncoder.self, ["base": "base", "train": "groups.jsonl"], common, to: "model", keeper: keeper)
    let saved = try #require(keeper.final)
    let names = try JSONDecoder().decode(Outline.self, from: saved.outline).weights.map(\.name)
    let place = try #require(names.firstIndex(of: "log_temperature"))
    #expect(saved.tensors.count == 3 * names.count)
    for tensor in [0, 1, 2].map({ saved.tensors[$0 * names.count + place] }) {
      #expect(tensor.count == 4 && tensor.contains { $0 != 0 })
    }
  }

  @Test func `a loss that is not finite names the last good checkpoint`() async throws {
    let workshop = try InterruptedWorkshop()
    try await workshop.prepare()
    let parameters = common.merging([
      "lr": .double(10), "epochs": .int(500), "max_grad_norm": .double(0), "weight_decay": .double(10),
    ]) { $1 }
    let keeper = MemoryKeeper()
    let error = await #expect(throws: StoppedTraining.self) {
      try await workshop.run(
        Teacher.self, ["base": "base", "train": "groups.jsonl"], parameters, to: "wild", keeper: keeper)
    }
    let text = "\(try #require(error))"
    #expect(text.contains("not a finite number at step") && text.contains("records q"))
    #expect(text.contains("The last good checkpoint, after step \(try #require(keeper.saved).step), is /memory"))
  }

  @Test func `only a schedule that does not depend on the end can be extended`() throws {
    func obstacle(_ parameters: [String: ParameterValue]) throws -> String? {
      let nowhere = BoundArtifact(url: URL(filePath: "/"))
      return try Teacher.bound(
        to: StageBinding(
          inputs: ["base": nowhere, "train": BoundArtifact(url: nowhere.url, type: .groups)], parameters: parameters,
          outputs: ["model": nowhere.url], seed: 1)
      ).obstacleToExtending()
    }
    #expect(try obstacle([:])?.contains("schedule: linear") == true)
    #expect(try obstacle(["schedule": .string("cosine"), "warmup_steps": .int(3)])?.contains("cosine") == true)
    #expect(try obstacle(["schedule": .string("constant")])?.contains("warmup_ratio") == true)
    #expect(try obstacle(["schedule": .string("constant"), "warmup_ratio": .double(0)]) == nil)
    #expect(try obstacle(["schedule": .string("constant"), "warmup_steps": .int(3)]) == nil)
  }
}
