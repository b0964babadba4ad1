/// What a new device or a new architecture has to bring is one file: the rest of the engine knows neither by name.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct SeamTests {
  /// Models that are drawn alike on any device.
  enum Kind: String, CaseIterable {
    case bertEncoder, bertClassifier, robertaClassifier, mpnetEncoder, bagEncoder, bagClassifier
    case modernBertClassifier, qwenClassifier, gemmaEncoder
  }
  /// Which weights train.
  enum Tuning: CaseIterable { case full, lora }

  private func model(_ kind: Kind, _ tuning: Tuning?, on device: any Device) throws -> any SequenceModel {
    let weights = RandomWeights(seed: 3, on: device)
    func bert(_ kind: Bert.Kind) -> Bert {
      Bert(
        kind, vocabularySize: 30, hiddenSize: 16, layerCount: 2, headCount: 4, intermediateSize: 24,
        maximumPositions: 12, initializerRange: 0.3)
    }
    func rotary(_ type: String, _ rest: String) throws -> any Architecture {
      let json = """
        {"model_type": "\(type)", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 24, "max_position_embeddings": 12, "initializer_range": 0.3, \(rest)}
        """
      let scratch = try ScratchFolder()
      try scratch.write(json, to: "config.json")
      return try Architectures.read(
        Configuration(contentsOf: scratch.url.appending(path: "config.json"), in: scratch.url))
    }
    let bag = Bag(pieces: 30, places: 12, width: 16)
    let model: any SequenceModel =
      switch kind {
      case .bertEncoder: try Encoder(bert(.bert), pooling: [.mean], weights: weights, on: device)
      case .bertClassifier: try SequenceClassifier(bert(.bert), weights: weights, on: device)
      case .robertaClassifier: try SequenceClassifier(bert(.roberta), weights: weights, on: device)
      case .mpnetEncoder: try Encoder(bert(.mpnet), pooling: [.mean], weights: weights, on: device)
      case .bagEncoder: try Encoder(bag, pooling: PoolingMode.allCases, weights: weights, on: device)
      case .bagClassifier: try SequenceClassifier(bag, weights: weights, on: device)
      case .modernBertClassifier:
        try SequenceClassifier(
          rotary("modernbert", #""local_attention": 4, "global_attn_every_n_layers": 2, "norm_bias": true"#),
          weights: weights, on: device)
      case .qwenClassifier:
        try SequenceClassifier(
          rotary("qwen2", #""num_key_value_heads": 2"#), weights: weights, on: device)
      case .gemmaEncoder:
        try Encoder(
          rotary("gemma3_text", #""num_key_value_heads": 1, "head_dim": 6, "sliding_window": 2"#),
          pooling: [.lastToken], weights: weights, on: device)
      }
    model.dropout = Dropouts(hidden: 0.1, attention: 0.2, head: 0.3)
    switch tuning {
    case .full: model.trainAllWeights()
    case .lora:
      try model.attach(
        lora: LoRASettings(
          r: 3, alpha: 6, dropout: 0.2, targetModules: ["all-linear"], useRSLoRA: false, modulesToSave: ["classifier"]),
        seed: 5)
    case nil: break
    }
    return model
  }

  private let batch = PackedBatch(
    [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10, 11, 29]], typeIDs: [[0, 0, 0, 1, 1, 1, 1], [0], [0, 1, 1, 1]], chunkSize: 2,
    sequenceKeys: [7, 1 << 40, 3], unpooled: [2, 0, 1])

  /// Output and gradients of one pass with masks.
  private func pass(_ kind: Kind, _ tuning: Tuning, on device: any Device) throws -> [[Float]] {
    let model = try model(kind, tuning, on: device)
    let tape = Tape(on: device, records: true, masks: Tape.Masks(seed: 1, step: 2))
    let output = try model.forward(batch, on: tape)
    let seed = (0..<output.value.count).map { Float($0 % 7) / 7 - 0.4 }
    tape.backward(from: output, gradient: device.tensor(seed, output.value.shape))
    return [output.value.array] + model.weights.compactMap { $0.gradient?.array }
  }

  private func distance(_ left: [Float], _ right: [Float]) -> Float {
    guard left.count == right.count else { return .infinity }
    let size = right.reduce(1) { max($0, abs($1)) }
    return zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) } / size
  }

  @Test(arguments: Kind.allCases, Tuning.allCases)
  func `outputs and gradients of a device of plain loops are the CPU's, masks included`(
    kind: Kind, tuning: Tuning
  ) throws {
    let (plain, fast) = (
      try pass(kind, tuning, on: PlainDevice()), try pass(kind, tuning, on: CPU(threads: 2))
    )
    #expect(plain.count == fast.count && plain.count > 1)
    for (left, right) in zip(plain, fast) { #expect(distance(left, right) < 2e-5) }
  }

  @Test func `two devices with other kernels live side by side, each with its own bits`() throws {
    let portable = try #require(Kernels.named("portable"))
    let reference = try #require(Kernels.named("reference"))
    let devices = [portable, reference, portable].map { CPU(threads: 2, kernels: $0) }
    let models = try devices.map { try model(.bertEncoder, nil, on: $0) }
    let outputs = try models.map { try $0.forward(batch, on: Tape(on: $0.device)).value.array }
    #expect(devices.map(\.numerics.instructions) == ["portable", "reference", "portable"])
    #expect(outputs[0] == outputs[2] && outputs[0] != outputs[1] && distance(outputs[0], outputs[1]) < 1e-5)
  }

  @Test func `without its adapters a model is what it was before them`() throws {
    let device = CPU(threads: 1)
    let model = try model(.bertEncoder, .lora, on: device)
    for weight in model.weights where weight.name.hasSuffix("lora_B.weight") {
      weight.value.fill(0.3)
      weight.changed()
    }
    func output(adapters: Bool) throws -> [Float] {
      try model.forward(batch, on: Tape(on: device, adapters: adapters)).value.array
    }
    let untouched = try self.model(.bertEncoder, nil, on: device)
    #expect(try output(adapters: false) == untouched.forward(batch, on: Tape(on: device)).value.array)
    #expect(try output(adapters: true) != output(adapters: false))
  }

  @Test func `a new architecture is drawn, written, read, rehearsed and trained`() throws {
    let scratch = try ScratchFolder()
    let bag = Bag(pieces: 12, places: 8, width: 8)
    try scratch.write(
      #"{"model_type": "bag", "vocab_size": 12, "max_position_embeddings": 8, "hidden_size": 8}"#,
      to: "base/config.json")
    let cpu = CPU(threads: 1)
    let drawn = try Encoder(bag, pooling: [.mean], weights: RandomWeights(seed: 1, on: cpu), on: cpu)
    try SafeTensors.write(
      drawn.weights.map { NamedTensor($0.name, $0.fp32) },
      to: scratch.url.appending(path: "base/model.safetensors"))

    let folder = try CheckpointFolder(scratch.url.appending(path: "base"), architectures: [Bert.self, Bag.self])
    #expect(folder.architecture as? Bag == bag)
    for device in [CPU(threads: 2), PlainDevice()] as [any Device] {
      let (model, newModules) = try folder.crossEncoder(on: device, seed: 4)
      #expect(newModules == ["classifier"])
      model.trainAllWeights()
      let losses = try train(model)
      #expect(losses.last! < 0.5 * losses.first!, "\(losses)")
      let out = scratch.url.appending(path: "trained-\(device.numerics.instructions)")
      try folder.write(model, maxSequenceLength: 8, to: out)
      let read = try CheckpointFolder(out, architectures: [Bag.self])
      #expect(read.isCrossEncoder)
      let again = try read.crossEncoder(on: device, seed: 0).model
      #expect(again.weights.map(\.fp32.array) == model.weights.map(\.fp32.array))
    }
  }

  /// Mean losses of the epochs of a training on toy pairs.
  private func train(_ model: SequenceClassifier) throws -> [Double] {
    let observer = Recorder()
    var settings = TrainingSettings(memory: 1 << 30)
    (settings.epochs, settings.batchSize, settings.rate, settings.keep) = (6, 8, 0.05, .last)
    let task = PairTask(pairs: toyPairs(32), loss: BinaryCrossEntropy())
    var state = TrainingState(model: model)
    try TrainingLoop(model: model, task: task, settings: settings, observer: observer).run(from: &state, validate: nil)
    let losses = observer.metrics["loss"] ?? []
    return stride(from: 0, to: losses.count, by: 4).map { losses[$0..<$0 + 4].reduce(0, +) / 4 }
  }
}
