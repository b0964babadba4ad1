/// A model's bits follow from its weights and each sequence, never from threads, batch-mates or micro-batches.
import Tensors
import Testing

@testable import Models

struct BertDeterminismTests {
  let golden: BertGolden

  init() throws { golden = try BertGolden() }

  @Test func `a sequence's bits do not depend on its batch-mates or its place`() throws {
    let model = try golden.encoder(on: Engine(threads: 2))
    func outputs(_ wanted: [Int]) throws -> [ArraySlice<Float>] {
      let output = try model.forward(golden.batch(wanted), mode: .inference).output.array
      return wanted.indices.map { output[($0 * 32)..<($0 * 32 + 32)] }
    }
    let alone = try (0..<5).map { try outputs([$0])[0] }
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 2, 3, 3, 3, 3, 2, 0, 1, 4, 3]] {
      for (found, sequence) in zip(try outputs(order), order) {
        #expect(found.elementsEqual(alone[sequence]), "sequence \(sequence) in \(order)")
      }
    }
  }

  /// Hidden, attention and adapter dropout are on: masks are part of the claim.
  @Test(arguments: [true, false])
  func `gradients do not depend on threads or micro-batches`(lora: Bool) throws {
    let expected = try gradients(lora: lora, threads: 1, microBatches: [0..<3])
    for threads in [1, 2, 3] {
      for microBatches in [[0..<3], [0..<1, 1..<2, 2..<3], [0..<2, 2..<3]] {
        let found = try gradients(lora: lora, threads: threads, microBatches: microBatches)
        #expect(found == expected, "\(threads) threads, micro-batches \(microBatches)")
      }
    }
  }

  @Test func `masks follow from seed and step`() throws {
    let model = try golden.encoder(on: Engine(threads: 2))
    model.dropout = BertDropout(hidden: 0.2, attention: 0.2)
    func output(_ seed: UInt64, _ step: Int) throws -> [Float] {
      try model.forward(golden.batch(), mode: .training(seed: seed, step: step)).output.array
    }
    let first = try output(1, 1)
    #expect(try output(1, 1) == first)
    #expect(try output(1, 2) != first)
    #expect(try output(2, 1) != first)
    #expect(try model.forward(golden.batch(), mode: .inference).output.array != first)
  }

  private func gradients(lora: Bool, threads: Int, microBatches: [Range<Int>]) throws -> [[Float]] {
    let model = try golden.crossEncoder(on: Engine(threads: threads))
    model.dropout = BertDropout(hidden: 0.1, attention: 0.1)
    if lora {
      try model.attach(lora: LoRASettings(r: 4, alpha: 8, dropout: 0.1), seed: 5)
      for weight in model.weights where weight.name.hasSuffix("lora_B.weight") { weight.value.fill(0.05) }
    } else {
      model.trainAllWeights()
    }
    let batch = try golden.batch()
    let seed = try golden.values("cross-encoder/seed")
    for range in microBatches {
      let part = batch.microBatch(range)
      let first = batch.chunks[range.lowerBound].lowerBound
      let result = try model.forward(part, mode: .training(seed: 9, step: 4))
      result.backward?(model.engine.tensor(Array(seed[first..<(first + part.count)]), [part.count, 1]))
    }
    return model.weights.compactMap { $0.gradient?.array }
  }
}
