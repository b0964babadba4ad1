/// BERT against transformers and peft: outputs and every gradient.
import CPU
import Tensors
import Testing

@testable import Models

/// Largest error of fp32 on this model against double, as a share of the largest value.
private let tolerance: Float = 2e-5

/// Least cosine of an int8 output with that of double; the model's weights are random, and 32 wide.
private let leastCosine: Float = 0.999

struct BertTests {
  let golden: BertGolden
  let engine = CPU(threads: 2)

  init() throws { golden = try BertGolden() }

  @Test(arguments: BertGolden.poolings)
  func `pooled vectors equal those of transformers`(pooling: PoolingMode) throws {
    let model = try golden.encoder(pooling, on: engine)
    let output = try model.output(of: golden.batch())
    #expect(output.shape == [5, 32])
    #expect(relativeError(output.array, try golden.values("encoder/output/\(pooling.rawValue)")) < tolerance)
  }

  @Test func `the first token's vector and the mean stand side by side`() throws {
    let output = try golden.encoder(.cls, .mean, on: engine).output(of: golden.batch())
    let parts: [[Float]] = try [golden.values("encoder/output/cls"), golden.values("encoder/output/mean")]
    let expected = (0..<5).flatMap { row in parts.flatMap { $0[row * 32..<(row + 1) * 32] } }
    #expect(output.shape == [5, 64] && relativeError(output.array, expected) < tolerance)
  }

  @Test func `logits equal those of transformers`() throws {
    let output = try golden.crossEncoder(on: engine).output(of: golden.batch())
    #expect(output.shape == [5, 1])
    #expect(relativeError(output.array, try golden.values("cross-encoder/output")) < tolerance)
  }

  @Test(arguments: BertGolden.poolings)
  func `int8 vectors point where those of transformers do`(pooling: PoolingMode) throws {
    let model = try golden.encoder(pooling, on: CPU(threads: 2, precision: .int8))
    try expectDirections(of: model, "encoder/output/\(pooling.rawValue)")
  }

  @Test func `int8 vectors with attached adapters point where those of peft do`() throws {
    let model = try golden.encoder(on: CPU(threads: 2, precision: .int8))
    try golden.adapt(model, "encoder")
    try expectDirections(of: model, "encoder/lora/output")
  }

  private func expectDirections(of model: Encoder, _ name: String) throws {
    let found = try model.output(of: golden.batch()).array
    let expected = try golden.values(name)
    func dot(_ x: ArraySlice<Float>, _ y: ArraySlice<Float>) -> Float { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    for start in stride(from: 0, to: expected.count, by: 32) {
      let (x, y) = (found[start..<start + 32], expected[start..<start + 32])
      #expect(dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot() > leastCosine)
    }
  }

  @Test func `gradients of full fine-tuning of an encoder equal torch's`() throws {
    let model = try golden.encoder(on: engine)
    model.trainAllWeights()
    try expectGradients(of: model, "encoder", "full")
  }

  @Test func `gradients of full fine-tuning of a cross-encoder equal torch's`() throws {
    let model = try golden.crossEncoder(on: engine)
    model.trainAllWeights()
    try expectGradients(of: model, "cross-encoder", "full")
  }

  @Test func `gradients of an encoder's adapters equal peft's`() throws {
    let model = try golden.encoder(on: engine)
    try golden.adapt(model, "encoder")
    try expectGradients(of: model, "encoder", "lora")
    let output = try model.output(of: golden.batch())
    #expect(relativeError(output.array, try golden.values("encoder/lora/output")) < tolerance)
  }

  @Test func `gradients of a cross-encoder's adapters and head equal peft's`() throws {
    let model = try golden.crossEncoder(on: engine)
    try golden.adapt(model, "cross-encoder")
    try expectGradients(of: model, "cross-encoder", "lora")
  }

  @Test func `merged adapters give the outputs of attached ones`() throws {
    let model = try golden.encoder(on: engine)
    try golden.adapt(model, "encoder")
    let tensors = Dictionary(uniqueKeysWithValues: model.mergedTensors.map { ($0.name, $0) })
    #expect(!tensors.keys.contains { $0.contains("lora_") })
    let weights = GivenWeights { name in
      let tensor = try #require(tensors[name])
      return engine.tensor(StoredTensor(tensor.shape, .f32, bytes: try tensor.bytes()))
    }
    let merged = try Encoder(BertGolden.config, pooling: [.mean], weights: weights, on: engine)
    let output = try merged.output(of: golden.batch())
    #expect(relativeError(output.array, try golden.values("encoder/lora/output")) < tolerance)
  }

  @Test func `a new adapter changes nothing until it is trained`() throws {
    let model = try golden.encoder(on: engine)
    let before = try model.output(of: golden.batch()).array
    try model.attach(lora: LoRASettings(r: 4, alpha: 8), seed: 3)
    #expect(try model.output(of: golden.batch()).array == before)
  }

  @Test func `what the model has no row for is refused with its sequence`() throws {
    let model = try golden.encoder(on: engine)
    func error(_ sequences: [[Int32]], _ types: [[Int32]]? = nil) -> ModelError? {
      #expect(throws: ModelError.self) {
        try model.output(of: PackedBatch(sequences, typeIDs: types))
      }
    }
    #expect(error([[1], [2, 40]]) == .unknownToken(sequence: 1, id: 40, rows: 40))
    #expect(error([[1], [2]], [[0], [2]]) == .unknownSegment(sequence: 1, id: 2, rows: 2))
    #expect(error([Array(repeating: 1, count: 21)]) == .tooLong(sequence: 0, tokens: 21, limit: 20))
    #expect(throws: ModelError.self) {
      try model.attach(lora: LoRASettings(r: 2, alpha: 2, targetModules: ["q_proj"]), seed: 1)
    }
  }

  /// Runs one training pass and compares every trainable weight's gradient with the file's; both must have the same.
  private func expectGradients(of model: some SequenceModel, _ kind: String, _ tuning: String) throws {
    let result = try model.trainingPass(golden.batch(), seed: 1, step: 0)
    result.backward(try golden.tensor("\(kind)/seed", on: engine))
    let trainable = model.weights.filter(\.isTrainable)
    #expect(trainable.map(\.name).sorted() == golden.names("\(kind)/\(tuning)/gradient/"))
    for weight in trainable {
      let expected = try golden.values("\(kind)/\(tuning)/gradient/\(weight.name)")
      let error = relativeError(try #require(weight.gradient).array, expected)
      // A key's bias shifts all scores of a row alike: its true gradient is zero, and what remains is rounding.
      let isZero = expected.allSatisfy { abs($0) < 1e-9 }
      #expect(isZero || error < tolerance, "\(weight.name): \(error)")
    }
  }
}
