/// The predicted memory of a training pass against what the allocator lends out.
import Tensors
import Testing

@testable import Models

struct BertMemoryTests {
  struct Shape: CustomTestStringConvertible {
    var hidden: Int
    var inner: Int
    var heads: Int
    var layers: Int
    var tokens: [Int]
    var testDescription: String { "\(hidden)/\(inner), \(heads) heads, \(layers) layers, \(tokens.count) texts" }
  }

  static let shapes = [
    Shape(hidden: 64, inner: 256, heads: 4, layers: 3, tokens: (0..<32).map { 3 + $0 * 37 % 61 }),
    Shape(hidden: 64, inner: 256, heads: 4, layers: 1, tokens: [5]),
    Shape(hidden: 96, inner: 384, heads: 12, layers: 6, tokens: (0..<16).map { 10 + $0 * 53 % 110 }),
    Shape(hidden: 64, inner: 64, heads: 2, layers: 4, tokens: Array(repeating: 16, count: 40)),
    Shape(hidden: 32, inner: 512, heads: 1, layers: 2, tokens: [256, 1, 250]),
  ]

  /// How a model is trained.
  struct Training: CustomTestStringConvertible {
    var loraDropout: Double?
    var precision: Precision
    var testDescription: String { "\(precision), " + (loraDropout.map { "LoRA, dropout \($0)" } ?? "full") }
  }

  static let trainings = [Precision.fp32, .bf16].flatMap { precision in
    [nil, 0, 0.1].map { Training(loraDropout: $0, precision: precision) }
  }

  @Test(arguments: shapes, trainings)
  func `an encoder's prediction is within 10 percent, and a steady step maps nothing new`(
    shape: Shape, training: Training
  ) throws {
    try check(shape, training) { config, engine, weights in
      try BertEncoder(config: config, pooling: .mean, engine: engine, weights: weights)
    }
  }

  @Test(arguments: shapes, trainings)
  func `a cross-encoder's prediction is within 10 percent, and a steady step maps nothing new`(
    shape: Shape, training: Training
  ) throws {
    try check(shape, training) { config, engine, weights in
      try BertCrossEncoder(config: config, engine: engine, weights: weights)
    }
  }

  private func check(
    _ shape: Shape, _ training: Training,
    _ model: (BertConfig, Engine, @escaping (String) throws -> Tensor) throws -> any SequenceModel
  ) throws {
    let engine = Engine(threads: 2, precision: training.precision)
    let config = BertConfig(
      vocabularySize: 100, hiddenSize: shape.hidden, layerCount: shape.layers, headCount: shape.heads,
      intermediateSize: shape.inner, maximumPositions: 256)
    let shapes = Dictionary(
      uniqueKeysWithValues: (config.encoderShapes + config.crossEncoderShapes).map { ($0.name, $0.shape) })
    let model = try model(config, engine) { name in
      engine.normal(shapes[name]!, deviation: 0.1, seed: 1, stream: UInt64(name.utf8.count))
    }
    if let loraDropout = training.loraDropout {
      try model.attach(lora: LoRASettings(r: 8, alpha: 8, dropout: loraDropout), seed: 1)
    } else {
      model.trainAllWeights()
    }
    let batch = PackedBatch(shape.tokens.map { Array(repeating: 7, count: $0) })
    let seed = engine.zeros([batch.count, model.outputWidth])
    func step() throws -> Int {
      let before = engine.allocator.bytesInUse
      engine.allocator.resetPeak()
      try model.forward(batch, mode: .training(seed: 1, step: 1)).backward?(seed)
      #expect(engine.allocator.bytesInUse == before)
      return engine.allocator.peakBytes - before
    }
    let real = try step()
    let mapped = engine.allocator.mappedBytes
    let predicted = model.trainingBytes(tokensPerSequence: shape.tokens)
    #expect(abs(Double(predicted) / Double(real) - 1) < 0.1, "predicted \(predicted), real \(real)")
    #expect(try step() == real)
    #expect(engine.allocator.mappedBytes == mapped)
  }
}
