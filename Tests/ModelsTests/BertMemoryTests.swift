/// The predicted memory of a training pass against what the allocator lends out.
import Tensors
import Testing

@testable import Models

struct BertMemoryTests {
  @Test(arguments: [nil, 0, 0.1])
  func `the prediction is within 15 percent, and a second step maps nothing new`(loraDropout: Double?) throws {
    let engine = Engine(threads: 2)
    let config = BertConfig(
      vocabularySize: 100, hiddenSize: 64, layerCount: 3, headCount: 4, intermediateSize: 256, maximumPositions: 64)
    let shapes = Dictionary(uniqueKeysWithValues: config.encoderShapes.map { ($0.name, $0.shape) })
    let model = try BertEncoder(config: config, pooling: .mean, engine: engine) { name in
      engine.normal(shapes[name]!, deviation: 0.1, seed: 1, stream: UInt64(name.utf8.count))
    }
    if let loraDropout {
      try model.attach(lora: LoRASettings(r: 8, alpha: 8, dropout: loraDropout), seed: 1)
    } else {
      model.trainAllWeights()
    }
    let lengths = (0..<32).map { 3 + $0 * 37 % 61 }
    let batch = PackedBatch(lengths.map { Array(repeating: 7, count: $0) })
    let seed = engine.zeros([batch.count, 64])
    func step() throws -> Int {
      let before = engine.allocator.bytesInUse
      engine.allocator.resetPeak()
      try model.forward(batch, mode: .training(seed: 1, step: 1)).backward?(seed)
      #expect(engine.allocator.bytesInUse == before)
      return engine.allocator.peakBytes - before
    }
    let real = try step()
    let mapped = engine.allocator.mappedBytes
    let predicted = model.trainingBytes(tokensPerSequence: lengths)
    #expect(abs(Double(predicted) / Double(real) - 1) < 0.15, "predicted \(predicted), real \(real)")
    #expect(try step() == real)
    #expect(engine.allocator.mappedBytes == mapped)
  }
}
