/// Every architecture against transformers and peft: states, logits, every gradient, folders. The models and their
/// golden files are made by Tests/Fixtures/generate/architectures.py.
import CPU
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

/// Largest errors of fp32 on these models against double, as shares of the largest value.
private let (outputTolerance, gradientTolerance): (Float, Float) = (1e-5, 1e-4)

@Suite struct ArchitectureTests {
  private static let names = ArchitectureGolden.names
  private typealias Kind = ArchitectureGolden.Kind

  private let device = CPU(threads: 2)
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func url(_ name: String) -> URL { fixtures.appending(path: "architectures/\(name)") }

  private func golden(_ name: String) throws -> SafeTensors { try ArchitectureGolden(name).file }

  private func model(_ kind: Kind, _ name: String) throws -> any SequenceModel {
    try ArchitectureGolden(name).model(kind, on: device)
  }

  private func batch(_ golden: SafeTensors, chunkSize: Int = 2, _ wanted: [Int] = [0, 1, 2, 3, 4]) throws -> PackedBatch
  {
    try ArchitectureGolden.batch(golden, chunkSize: chunkSize, wanted)
  }

  private func adapt(_ model: some SequenceModel, _ kind: Kind, _ golden: SafeTensors) throws {
    // BERT's pooler is a linear layer, too, and has no adapter in the golden file.
    let isBert = model.weights.contains { $0.name.contains("attention.self") && !$0.name.hasPrefix("roberta.") }
    let targets = isBert ? ["query", "key", "value", "intermediate.dense", "output.dense"] : ["all-linear"]
    try model.attach(lora: LoRASettings(r: 3, alpha: 5, dropout: 0, targetModules: targets), seed: 1)
    for weight in model.weights where weight.name.contains("lora_") {
      weight.value.update(
        from: device.tensor(try golden.stored("\(kind.rawValue)/lora/weight/\(weight.name)"), as: .f32))
      weight.changed()
    }
  }

  @Test(arguments: names) func `hidden states and logits equal those of transformers`(name: String) throws {
    let golden = try golden(name)
    let encoder = try #require(try model(.encoder, name) as? Encoder)
    let body = try encoder.architecture.body(ModelBuilder(Given(encoder.weights)), at: "")
    let states = try body.forward(batch(golden), asked: .all, on: Tape(on: device), Dropouts()).value.array
    #expect(relativeError(states, try golden.floats("states")) < outputTolerance)
    let logits = try model(.crossEncoder, name).output(of: batch(golden)).array
    #expect(relativeError(logits, try golden.floats("logits")) < outputTolerance)
  }

  @Test(arguments: names, ArchitectureGolden.Kind.allCases)
  func `gradients of full fine-tuning equal torch's`(name: String, kind: ArchitectureGolden.Kind) throws {
    let model = try model(kind, name)
    model.trainAllWeights()
    try expectGradients(of: model, "\(kind.rawValue)/full", golden(name))
  }

  @Test(arguments: names, ArchitectureGolden.Kind.allCases)
  func `outputs and gradients with adapters equal peft's, and a head trains whole`(
    name: String, kind: ArchitectureGolden.Kind
  ) throws {
    let (model, golden) = (try model(kind, name), try golden(name))
    try adapt(model, kind, golden)
    let output = try model.output(of: batch(golden)).array
    #expect(relativeError(output, try golden.floats("\(kind.rawValue)/lora/output")) < outputTolerance)
    try expectGradients(of: model, "\(kind.rawValue)/lora", golden)
  }

  /// Runs one training pass and compares every trainable weight's gradient with the file's; both must have the same.
  private func expectGradients(of model: some SequenceModel, _ path: String, _ golden: SafeTensors) throws {
    let result = try model.trainingPass(batch(golden), seed: 1, step: 0)
    let kind = path.prefix { $0 != "/" }
    result.backward(device.tensor(try golden.stored("\(kind)/seed"), as: .f32))
    let trainable = model.weights.filter(\.isTrainable)
    let names = golden.names.filter { $0.hasPrefix("\(path)/gradient/") }
    #expect(trainable.map { "\(path)/gradient/\($0.name)" }.sorted() == names.sorted())
    for weight in trainable {
      let expected = try golden.floats("\(path)/gradient/\(weight.name)")
      let error = relativeError(try #require(weight.gradient).array, expected)
      // A key's bias shifts all scores of a row alike: its true gradient is zero, and what remains is rounding.
      let isZero = expected.allSatisfy { abs($0) < 1e-9 }
      #expect(isZero || error < gradientTolerance, "\(weight.name): \(error)")
    }
  }

  @Test func `a teacher of the distillation program over XLM-RoBERTa scores as in PyTorch, and can be written`() throws
  {
    let golden = try golden("xlm-roberta")
    let teacher = try CheckpointFolder(url("xlm-roberta-teacher"), base: url("xlm-roberta"))
    let model = try teacher.crossEncoder(on: device, seed: 0).model
    let expected = try golden.floats("teacher/logits")
    #expect(relativeError(try model.output(of: batch(golden)).array, expected) < outputTolerance)
    let out = scratch.url.appending(path: "out")
    try teacher.write(model, maxSequenceLength: 10, to: out)
    let again = try CheckpointFolder(out).crossEncoder(on: device, seed: 0).model
    #expect(relativeError(try again.output(of: batch(golden)).array, expected) < outputTolerance)
  }

  @Test(arguments: names) func `a sequence's logit does not depend on those packed with it`(name: String) throws {
    let (model, golden) = (try model(.crossEncoder, name), try golden(name))
    let alone = try (0..<5).flatMap { try model.output(of: batch(golden, [$0])).array }
    #expect(relativeError(alone, try model.output(of: batch(golden)).array) < 1e-6)
  }

  @Test func `distances fall into the buckets that MPNet gives them`() throws {
    let buckets = try golden("mpnet").floats("buckets")
    #expect((-300...300).map { Float(RelativeDistance.bucket($0, 32)) } == buckets)
  }

  @Test(arguments: ArchitectureGolden.tabled) func `padding amid a sequence stands where transformers puts it`(
    name: String
  ) throws {
    let golden = try golden(name)
    let ids = try golden.floats("inner/ids").map { Int32($0) }
    let logits = try model(.crossEncoder, name).output(of: PackedBatch([ids])).array
    #expect(relativeError(logits, try golden.floats("inner/logits")) < outputTolerance)
  }

  @Test(arguments: zip(names, [12, 12, 12, 36, 36, 12] + Array(repeating: 64, count: 10)))
  func `a sequence may be as long as there are positions`(name: String, most: Int) throws {
    let model = try model(.crossEncoder, name)
    #expect(model.maxTokens == most)
    #expect(throws: Never.self) { try model.output(of: PackedBatch([Array(repeating: 5, count: most)])) }
    #expect(throws: ModelError.tooLong(sequence: 0, tokens: most + 1, limit: most)) {
      try model.output(of: PackedBatch([Array(repeating: 5, count: most + 1)]))
    }
  }

  @Test func `where there is one segment, all tokens are in it`() throws {
    let model = try model(.crossEncoder, "xlm-roberta")
    let types = try [[0, 0, 0], [0, 1, 1]].map {
      try model.output(of: PackedBatch([[5, 6, 7]], typeIDs: [$0])).array
    }
    #expect(types[0] == types[1])
  }

  @Test func `buffers, the head of pre-training and a pooler beside an encoder are left out`() throws {
    let encoder = try model(.encoder, "xlm-roberta")
    let tensors = encoder.mergedTensors.map { NamedTensor("roberta.\($0.name)", $0.shape, bytes: $0.bytes) }
    let others = [
      ("roberta.embeddings.position_ids", [1, 14]), ("lm_head.bias", [24]), ("lm_head.dense.weight", [16, 16]),
      ("roberta.pooler.dense.weight", [16, 16]), ("roberta.pooler.dense.bias", [16]),
    ].map { NamedTensor($0.0, device.zeros($0.1)) }
    let folder = try self.folder(tensors + others, config: "xlm-roberta")
    #expect(try folder.encoder(on: device).weights.map(\.array) == encoder.weights.map(\.array))
    #expect(try folder.crossEncoder(on: device, seed: 3).newModules == ["classifier"])
  }

  @Test(arguments: [
    (#""pad_token_id": 1"#, #""pad_token_id": 13"#, #"key "pad_token_id": found 13, expected 0 to below 13"#),
    (#""is_decoder": false"#, #""is_decoder": true"#, #"key "is_decoder": found true"#),
    (#""type_vocab_size": 1"#, #""type_vocab_size": 2"#, #"found "type_vocab_size": 2, expected "type_vocab_size": 1"#),
  ])
  func `what does not fit is named with its key`(old: String, new: String, message: String) throws {
    try scratch.write(
      String(contentsOf: url("xlm-roberta").appending(path: "config.json"), encoding: .utf8).replacing(old, with: new),
      to: "config.json")
    try FileManager.default.copyItem(
      at: url("xlm-roberta").appending(path: "model.safetensors"),
      to: scratch.url.appending(path: "model.safetensors"))
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(scratch.url) }
    #expect(try #require(error).description.contains(message), "\(error!)")
  }

  /// A model's folder of these tensors.
  private func folder(_ tensors: [NamedTensor], config name: String) throws -> CheckpointFolder {
    let plain = scratch.url.appending(path: "plain")
    try FileManager.default.createDirectory(at: plain, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: url(name).appending(path: "config.json"), to: plain.appending(path: "config.json"))
    try SafeTensors.write(tensors, to: plain.appending(path: "model.safetensors"))
    return try CheckpointFolder(plain)
  }

  @Test(arguments: names)
  func `a cross-encoder is written with its base's tensors and class, and an encoder for AutoModel`(
    name: String
  ) throws {
    let base = try CheckpointFolder(url(name))
    let out = scratch.url.appending(path: "out")
    try base.write(base.crossEncoder(on: device, seed: 1).model, maxSequenceLength: 10, to: out)
    func bytes(_ folder: URL) throws -> Data { try Data(contentsOf: folder.appending(path: "model.safetensors")) }
    #expect(try bytes(out) == bytes(url(name)))
    func classes(_ folder: URL) throws -> String? {
      try Configuration(contentsOf: folder.appending(path: "config.json"), in: folder).values["architectures"]?.text()
    }
    #expect(try classes(out) == classes(url(name)))

    let model = try model(.encoder, name)
    let folder = try folder(model.mergedTensors, config: name)
    #expect(!folder.isCrossEncoder)
    let written = scratch.url.appending(path: "written")
    try folder.write(folder.encoder(on: device), settings: folder.settings, to: written)
    #expect(try classes(written)?.contains("Model\"") == true)
    let again = try CheckpointFolder(written).encoder(on: device)
    #expect(again.weights.map(\.array) == model.weights.map(\.array))
    let lacking =
      name.hasPrefix("bert")
      ? ["pooler", "classifier"]
      : name.hasPrefix("modernbert")
        ? ["head", "classifier"] : ArchitectureGolden.decoders.contains(name) ? ["score"] : ["classifier"]
    #expect(try folder.crossEncoder(on: device, seed: 3).newModules == lacking)
  }
}

/// The weights that a model has.
private struct Given: WeightSource {
  let weights: [String: Weight]

  init(_ weights: [Weight]) { self.weights = Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0) }) }

  func weight(_ request: WeightRequest) throws -> Weight { try #require(weights[request.name]) }
}
