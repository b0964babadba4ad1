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
        try #require(weight.gradient).array, try golden.floats("gradient/\(weight.name)"))
      #expect(error < gradientTolerance, "\(weight.name): \(error)")
    }
    #expect(model.parameters.all.contains { $0.name == "lm_head.weight" } == (name == "qwen3"))
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
