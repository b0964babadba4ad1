/// Adapters that PEFT and sentence-transformers have saved, over their bases, give what these programs have them give.
import CPU
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

@Suite struct AdapterFolderTests {
  private let device = CPU(threads: 1)
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Made by Tests/Fixtures/generate/adapters.py.
  private struct Golden: Decodable {
    let base: String
    let is_cross: Bool
    let ids: [[Int32]]
    let values: [[Float]]

    var batch: PackedBatch { PackedBatch(ids) }
    var baseFolder: URL { fixtures.appending(path: base) }

    init(_ name: String) throws {
      let file = fixtures.appending(path: "adapters/\(name)/golden.json")
      self = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }
  }

  private func url(_ name: String) -> URL { fixtures.appending(path: "adapters/\(name)") }

  private func outputs(_ folder: CheckpointFolder, _ golden: Golden, _ pooling: [PoolingMode]? = [.mean]) throws
    -> [Float]
  {
    let output =
      try golden.is_cross
      ? folder.crossEncoder(on: device, seed: 1).model.output(of: golden.batch)
      : folder.encoder(on: device, pooling: pooling).output(of: golden.batch)
    if folder.settings.normalizes, pooling == nil { device.normalizeRows(output, floor: 1e-12) }
    return output.array
  }

  private func distance(_ found: [Float], _ expected: [[Float]]) -> Float {
    let expected = expected.flatMap(\.self)
    guard found.count == expected.count else { return .infinity }
    return zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test(arguments: ["patterns", "rslora", "biases", "xlm-roberta", "mpnet"])
  func `an adapter over its base gives PEFT's outputs`(name: String) throws {
    let golden = try Golden(name)
    #expect(try distance(outputs(CheckpointFolder(url(name), base: golden.baseFolder), golden), golden.values) < 2e-6)
    #expect(try distance(outputs(CheckpointFolder(golden.baseFolder), golden), golden.values) > 1e-3)
  }

  @Test func `a sentence-transformers folder of an adapter brings its settings, and the base its configuration`() throws
  {
    let golden = try Golden("sentence-transformer")
    let folder = try CheckpointFolder(url("sentence-transformer"), base: golden.baseFolder)
    #expect(folder.settings.prompts == ["query": "q: ", "document": "d: "])
    #expect(folder.transformer.path() == url("sentence-transformer").path())
    #expect(try distance(outputs(folder, golden, nil), golden.values) < 1e-6)
    let out = scratch.url.appending(path: "out")
    try folder.write(folder.encoder(on: device), settings: folder.settings, to: out)
    #expect(try distance(outputs(CheckpointFolder(out), golden, nil), golden.values) < 1e-6)
  }

  @Test func `an adapter trained here is loaded back over its base as it was`() throws {
    let golden = try Golden("rslora")
    let base = try CheckpointFolder(golden.baseFolder)
    let model = try base.crossEncoder(on: device, seed: 1).model
    try model.attach(
      lora: LoRASettings(
        r: 3, alpha: 5, dropout: 0, targetModules: ["all-linear"], useRSLoRA: true, modulesToSave: ["classifier"]),
      seed: 1)
    for (place, weight) in model.weights.enumerated() where weight.isTrainable {
      weight.value.update(from: device.normal(weight.shape, deviation: 0.2, seed: 5, stream: UInt64(place)))
      weight.changed()
    }
    let out = scratch.url.appending(path: "out")
    try base.write(model, maxSequenceLength: 12, to: out)
    let again = try CheckpointFolder(out.appending(path: "adapter"), base: golden.baseFolder)
    let expected = try model.output(of: golden.batch).array
    #expect(try distance(outputs(again, golden), [expected]) < 1e-6)
    // A pooler that an adapter changes is no part of an encoder, and is written changed.
    #expect(
      try again.tensor("pooler.dense.weight", on: device).array != base.tensor("pooler.dense.weight", on: device).array)
  }

  @Test func `an adapter beside whole weights is not used, which is told`() throws {
    let both = scratch.url.appending(path: "both")
    try FileManager.default.copyItem(at: golden.appending(path: "classifier"), to: both)
    try FileManager.default.copyItem(
      at: url("rslora").appending(path: "adapter_config.json"), to: both.appending(path: "adapter_config.json"))
    #expect(
      try CheckpointFolder(both).notices
        == ["adapter_config.json is not used: the weights beside it are taken as they are"])
  }

  /// Copies an adapter, its configuration changed.
  private func adapter(_ name: String, _ old: String = "{", _ new: String = "{") throws -> URL {
    let copy = scratch.url.appending(path: "adapter")
    try FileManager.default.copyItem(at: url(name), to: copy)
    let text = try String(contentsOf: copy.appending(path: "adapter_config.json"), encoding: .utf8)
    try #require(text.contains(old))
    try scratch.write(text.replacing(old, with: new), to: "adapter/adapter_config.json")
    return copy
  }

  private func refusal(_ folder: URL, base: String) throws -> String {
    let base = fixtures.appending(path: base)
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(folder, base: base).checkCrossEncoder() }
    return try #require(error).description
  }

  @Test(arguments: [
    (#""peft_type": "LORA""#, #""peft_type": "LOHA""#, #"key "peft_type": found "LOHA", expected "LORA""#),
    (#""use_dora": false"#, #""use_dora": true"#, #"key "use_dora": found true"#),
    (#""lora_bias": false"#, #""lora_bias": true"#, #"key "lora_bias": found true"#),
    (#""kasa_config": null"#, #""kasa_config": {"a": 1}"#, #"key "kasa_config": found {"a":1}"#),
    ("{\n", #"{"something_new": 3,"#, #"key "something_new": found 3, expected null or false"#),
    (#""init_lora_weights": true"#, #""init_lora_weights": "pissa""#, #"key "init_lora_weights": found "pissa""#),
    (#""r": 3"#, #""r": 4"#, "found rank 3, expected 4, as r and rank_pattern"),
    (#""r": 3"#, #""r": 0"#, "expected a rank from 1"),
    (#""alpha_pattern": {}"#, #""alpha_pattern": {"(a+)+": 1}"#, #"found "(a+)+": 1, expected a layer's name"#),
    (#""rank_pattern": {}"#, #""rank_pattern": {"query": -1}"#, #"found "query": -1"#),
  ])
  func `what an adapter's configuration asks for and is not done is refused by its key`(
    old: String, new: String, message: String
  ) throws {
    let text = try refusal(adapter("rslora", old, new), base: "models/classifier")
    #expect(text.contains("adapter") && text.contains(message), "\(text)")
  }

  @Test(arguments: [
    (
      "base_model.model.bert.encoder.layer.9.attention.self.key.lora_A.weight", [3, 8],
      "no weight or no lora_B beside it"
    ),
    ("base_model.model.score.weight", [1, 8], "unexpected tensors score.weight"),
    ("base_model.model.bert.embeddings.word_embeddings.lora_embedding_A", [3, 25], "unexpected tensors"),
    ("bert.encoder.layer.0.output.dense.bias", [8], "found a name of another program"),
    ("base_model.model.encoder.layer.0.output.dense.bias", [8], "found both"),
    ("base_model.model.bert.embeddings.LayerNorm.bias", [9], "LayerNorm.bias [9] instead of [8]"),
  ])
  func `a tensor that has no place in the base is named`(name: String, shape: [Int], message: String) throws {
    let copy = try adapter("rslora")
    let file = try SafeTensors(contentsOf: copy.appending(path: "adapter_model.safetensors"))
    let tensors = try file.names.map { NamedTensor($0, try device.tensor(file.stored($0), as: .f32)) }
    try SafeTensors.write(
      tensors + [NamedTensor(name, device.zeros(shape))], to: copy.appending(path: "adapter_model.safetensors"))
    let text = try refusal(copy, base: "models/classifier")
    #expect(text.contains(message), "\(text)")
  }
}
