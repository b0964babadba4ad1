/// The memory that a rehearsal predicts for a training pass against what the device then lends out.
import CPU
import Foundation
import JSONText
import Tensors
import Testing

@testable import Models

struct RehearsalTests {
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
  func `an encoder's rehearsal predicts its peak, and a steady step maps nothing new`(
    shape: Shape, training: Training
  ) throws {
    try check(shape, training) { weights, cpu in
      try Encoder(bert(shape), pooling: PoolingMode.allCases, weights: weights, on: cpu)
    }
  }

  @Test(arguments: shapes, trainings)
  func `a cross-encoder's rehearsal predicts its peak, and a steady step maps nothing new`(
    shape: Shape, training: Training
  ) throws {
    try check(shape, training) { weights, cpu in
      let model = try SequenceClassifier(bert(shape), weights: weights, on: cpu)
      model.dropout = Dropouts(hidden: 0.1, attention: 0.1)
      return model
    }
  }

  @Test(arguments: [("qwen3", [:]), ("gemma3_text", ["num_key_value_heads": 1]), ("modernbert", [:])], trainings)
  func `a rehearsal of gated layers and rotary positions predicts their peak`(
    form: (type: String, keys: [String: JSONValue]), training: Training
  ) throws {
    let shape = Self.shapes[0]
    var values: JSONValue = [
      "model_type": .string(form.type), "vocab_size": 100, "hidden_size": .int(shape.hidden), "head_dim": 16,
      "num_hidden_layers": .int(shape.layers), "num_attention_heads": .int(shape.heads), "sliding_window": 9,
      "intermediate_size": .int(shape.inner), "max_position_embeddings": 256, "initializer_range": 0.1,
    ]
    for (key, value) in form.keys { values[key] = value }
    let sizes = try Architectures.read(Configuration(file: URL(filePath: "/config.json"), values: values))
    try check(shape, training) { weights, cpu in
      try Encoder(sizes, pooling: [.lastToken], weights: weights, on: cpu)
    }
  }

  private func bert(_ shape: Shape) -> Bert {
    Bert(
      vocabularySize: 100, hiddenSize: shape.hidden, layerCount: shape.layers, headCount: shape.heads,
      intermediateSize: shape.inner, maximumPositions: 256, initializerRange: 0.1)
  }

  private func check(
    _ shape: Shape, _ training: Training, _ model: (RandomWeights, CPU) throws -> any SequenceModel
  ) throws {
    let cpu = CPU(threads: 2, precision: training.precision)
    let model = try model(RandomWeights(seed: 1, on: cpu), cpu)
    if let loraDropout = training.loraDropout {
      try model.attach(lora: LoRASettings(r: 8, alpha: 8, dropout: loraDropout), seed: 1)
    } else {
      model.trainAllWeights()
    }
    let batch = PackedBatch(shape.tokens.map { Array(repeating: 7, count: $0) })
    func step() throws -> Int {
      let before = cpu.meter.inUse
      cpu.meter.resetPeak()
      let (output, backward) = try model.trainingPass(batch, seed: 1, step: 1)
      backward(cpu.zeros(output.shape))
      return cpu.meter.peak - before
    }
    func predicted() throws -> Int { try model.trainingBytes(tokensPerSequence: shape.tokens) }
    func agree(_ predicted: Int, _ real: Int) -> Bool { abs(Double(predicted) / Double(real) - 1) < 0.02 }
    // The first step lays the weights out, too, which stays.
    let (first, firstReal) = (try predicted(), try step())
    #expect(agree(first, firstReal), "predicted \(first), real \(firstReal)")
    let (inUse, mapped) = (cpu.meter.inUse, cpu.mappedBytes)
    let (steady, real) = (try predicted(), try step())
    #expect(agree(steady, real), "predicted \(steady), real \(real)")
    #expect(cpu.meter.inUse == inUse && cpu.mappedBytes == mapped)
  }
}
