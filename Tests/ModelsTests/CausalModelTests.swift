/// Decoders that predict tokens against transformers: scores, every gradient, sharded folders. The models and their golden
/// files are made by Tests/Fixtures/generate/causal.py.
import CPU
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

/// Largest errors of fp32 on these models against double, as shares of the largest value.
private let (scoreTolerance, gradientTolerance): (Float, Float) = (1e-5, 1e-4)

@Suite struct CausalModelTests {
  private let device = CPU(threads: 2)

  private func folder(_ name: String) -> URL { fixtures.appending(path: "causal/\(name)") }

  private func golden(_ name: String) throws -> (file: SafeTensors, batch: PackedBatch) {
    let file = try SafeTensors(contentsOf: folder(name).appending(path: "golden.safetensors"))
    var ids = try file.floats("ids").map { Int32($0) }[...]
    let sequences = try file.floats("lengths").map { length in
      defer { ids = ids.dropFirst(Int(length)) }
      return Array(ids.prefix(Int(length)))
    }
    return (file, PackedBatch(sequences, chunkSize: 2))
  }

  @Test(arguments: ["qwen3", "gemma3"]) func `scores of tokens and all gradients equal those of transformers`(
    name: String
  ) throws {
    let model = try CheckpointFolder(folder(name)).causalModel(on: device)
    let (golden, batch) = try golden(name)
    model.parameters.trainAll()
    let tape = Tape(on: device, records: true)
    let scores = try model.scores(batch, on: tape)
    let seed = try golden.floats("seed")
    // What means nothing has the seed 0.
    let found = zip(scores.value.array, seed).map { $1 == 0 ? 0 : $0 }
    #expect(relativeError(found, try golden.floats("scores")) < scoreTolerance)
    tape.backward(from: scores, gradient: device.tensor(seed, [seed.count, 1]))
    for weight in model.parameters.all {
      let error = relativeError(
        try #require(weight.gradient).array,
        try golden.floats("gradient/\(weight.name.replacing(/^model\./, with: ""))"))
      #expect(error < gradientTolerance, "\(weight.name): \(error)")
    }
    #expect(model.parameters.all.contains { $0.name == "lm_head.weight" } == (name == "qwen3"))
  }

  /// An adapter of PEFT over its base; and the same factors put on the model here, their gradients, and what is written.
  @Test(arguments: ["qwen3", "gemma3"]) func `adapters are those of PEFT, read, trained and written`(
    name: String
  ) throws {
    let (base, adapter) = (folder(name), folder(name).appending(path: "adapter"))
    let (golden, batch) = try golden(name)
    let expected = try SafeTensors(contentsOf: base.appending(path: "adapter.safetensors"))
    let seed = try golden.floats("seed")
    func scores(_ model: CausalModel) throws -> [Float] {
      zip(try model.scores(batch, on: Tape(on: device)).value.array, seed).map { $1 == 0 ? 0 : $0 }
    }
    let merged = try CheckpointFolder(adapter, base: base).causalModel(on: device)
    #expect(relativeError(try scores(merged), try expected.floats("scores")) < scoreTolerance)

    let read = try CheckpointFolder(base)
    let model = try read.causalModel(on: device)
    try model.attach(
      lora: LoRASettings(r: 3, alpha: 6, dropout: 0, targetModules: ["q_proj", "v_proj", "gate_proj", "down_proj"]),
      seed: 1)
    let factors = try SafeTensors(contentsOf: adapter.appending(path: "adapter_model.safetensors"))
    let trained = model.parameters.all.filter(\.isTrainable)
    for weight in trained {
      weight.value.update(from: try factors.stored("base_model.model.\(weight.name)"))
      weight.changed()
    }
    let tape = Tape(on: device, records: true)
    let output = try model.scores(batch, on: tape)
    tape.backward(from: output, gradient: device.tensor(seed, [seed.count, 1]))
    for weight in trained {
      let error = relativeError(
        try #require(weight.gradient).array, try expected.floats("gradient/\(weight.name)"))
      #expect(error < gradientTolerance, "\(weight.name): \(error)")
    }

    let scratch = try ScratchFolder()
    try read.write(model, to: scratch.url)
    let written = scratch.url.appending(path: "adapter")
    let kept = try SafeTensors(contentsOf: written.appending(path: "adapter_model.safetensors"))
    #expect(kept.names.sorted() == factors.names.sorted())
    #expect(try kept.names.allSatisfy { try kept.floats($0) == factors.floats($0) })
    let config = try Configuration(contentsOf: written.appending(path: "adapter_config.json"), in: written)
    #expect(config.values["task_type"] == "CAUSAL_LM")
    for folder in [try CheckpointFolder(scratch.url), try CheckpointFolder(written, base: base)] {
      #expect(relativeError(try scores(folder.causalModel(on: device)), try expected.floats("scores")) < scoreTolerance)
    }
  }

  /// Every token but a sequence's first, with the place of the one before it.
  private func successors(_ batch: PackedBatch) -> [(token: Int32, place: Int)] {
    (0..<batch.count).flatMap { index in
      (batch.offsets[index]..<batch.offsets[index + 1] - 1).map { (batch.ids[$0 + 1], $0) }
    }
  }

  @Test(arguments: ["qwen3", "gemma3"]) func `scores of some tokens and their gradients equal those of transformers`(
    name: String
  ) throws {
    let model = try CheckpointFolder(folder(name)).causalModel(on: device)
    let (golden, batch) = try golden(name)
    let targets = successors(batch)
    model.parameters.trainAll()
    let tape = Tape(on: device, records: true)
    let scores = try model.scores(of: targets, in: batch, on: tape)
    let (expected, seed) = (try golden.floats("scores"), try golden.floats("seed"))
    #expect(relativeError(scores.value.array, targets.map { expected[$0.place] }) < scoreTolerance)
    tape.backward(from: scores, gradient: device.tensor(targets.map { seed[$0.place] }, [targets.count, 1]))
    for weight in model.parameters.all {
      let error = relativeError(
        try #require(weight.gradient).array,
        try golden.floats("gradient/\(weight.name.replacing(/^model\./, with: ""))"))
      #expect(error < gradientTolerance, "\(weight.name): \(error)")
    }
  }

  @Test(arguments: ["qwen3", "gemma3"], [Precision.fp32, .bf16, .int8])
  func `sequences that go on from a beginning score the same bits as whole ones`(
    name: String, precision: Precision
  ) throws {
    let device = CPU(threads: 2, precision: precision)
    let model = try CheckpointFolder(folder(name)).causalModel(on: device)
    let whole = PackedBatch([[1, 7, 3, 9, 4, 8, 2, 30, 31], [1, 7, 3, 9, 4, 8, 2, 5], [6, 20, 21]])
    let expected = try model.scores(of: successors(whole), in: whole, on: Tape(on: device)).value.array
    for shared in 1...7 {
      let beginning = try model.beginning(Array(whole.ids.prefix(shared)))
      #expect(beginning.tokens == shared)
      let parts = PackedBatch(
        [Array(whole.ids[shared..<9]), Array(whole.ids[9 + shared..<17]), [6, 20, 21]], past: [shared, shared, 0])
      let found = try model.scores(
        of: successors(parts), in: parts, behind: [beginning, beginning, KeyPages()], on: Tape(on: device))
      let kept = Array(expected[shared..<8]) + Array(expected[8 + shared..<15]) + expected[15...]
      #expect(found.value.array == kept, "\(shared)")
    }
  }

  @Test func `a sequence longer than the model's positions is refused, its past included`() throws {
    let model = try CheckpointFolder(folder("qwen3")).causalModel(on: device)
    let beginning = try model.beginning(Array(repeating: 1, count: 60))
    let batch = PackedBatch([[1, 2, 3, 4, 5]], past: [60])
    #expect(throws: ModelError.tooLong(sequence: 0, tokens: 65, limit: 64)) {
      try model.scores(of: [(1, 0)], in: batch, behind: [beginning], on: Tape(on: device))
    }
  }

  @Test func `an encoder does without the map to the vocabulary`() throws {
    let encoder = try CheckpointFolder(folder("qwen3")).encoder(on: device)
    #expect(!encoder.weights.contains { $0.name.hasPrefix("lm_head") })
  }

  @Test func `an encoder that sees both ways predicts nothing`() throws {
    let values = try Configuration(contentsOf: folder("gemma3").appending(path: "config.json"), in: folder("gemma3"))
    var config = values
    config.values["use_bidirectional_attention"] = true
    let weights = RandomWeights(seed: 1, on: device)
    #expect(throws: ModelError.self) { try CausalModel(Decoder(config), weights: weights, on: device) }
  }
}
