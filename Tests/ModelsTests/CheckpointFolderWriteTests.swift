import CPU
import Foundation
import JSONText
import Models
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointFolderWriteTests {
  let engine = CPU(threads: 1)
  let scratch: ScratchFolder
  let out: URL

  init() throws {
    scratch = try ScratchFolder()
    out = scratch.url.appending(path: "out")
  }

  @Test func `an unchanged encoder is written with the bytes, the settings and the keys of its base`() throws {
    let base = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    try base.write(base.encoder(on: engine), settings: base.settings, to: out)
    for file in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
      #expect(try Data(contentsOf: out.appending(path: file)) == Data(contentsOf: base.url.appending(path: file)))
    }
    #expect(try CheckpointFolder(out).settings == base.settings)
    #expect(try json(out, "config.json") == json(base.url, "config.json"))
    #expect(try json(out, "1_Pooling/config.json")["pooling_mode_cls_token"] == true)
    #expect(try json(out, "config_sentence_transformers.json")["model_type"] == "SentenceTransformer")
    #expect(!FileManager.default.fileExists(atPath: out.appending(path: "adapter").path()))
  }

  @Test func `an unchanged cross-encoder is written with the bytes of its base and a sigmoid`() throws {
    let base = try CheckpointFolder(golden.appending(path: "classifier"))
    try base.write(base.crossEncoder(on: engine, seed: 1).model, maxSequenceLength: 10, to: out)
    #expect(
      try Data(contentsOf: out.appending(path: "model.safetensors"))
        == Data(contentsOf: base.url.appending(path: "model.safetensors")))
    let config = try json(out, "config.json")
    #expect(config["architectures"] == ["BertForSequenceClassification"])
    #expect(config["sentence_transformers"]?["activation_fn"] == "torch.nn.modules.activation.Sigmoid")
    #expect(config["type_vocab_size"] == 2)
    #expect(try CheckpointFolder(out).settings.maxSequenceLength == 10)
  }

  @Test func `adapters are kept under the names and shapes that PEFT gives them`() throws {
    let base = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    let (model, newModules) = try base.crossEncoder(on: engine, seed: 1)
    try model.attach(
      lora: LoRASettings(r: 2, alpha: 4, dropout: 0.1, targetModules: ["all-linear"], modulesToSave: newModules),
      seed: 1)
    try base.write(model, maxSequenceLength: 12, to: out)
    let written = try SafeTensors(contentsOf: out.appending(path: "adapter/adapter_model.safetensors"))
    let peft = try SafeTensors(contentsOf: golden.appending(path: "adapter/adapter_model.safetensors"))
    #expect(written.names == peft.names)
    #expect(try written.names.map(written.shape) == peft.names.map(peft.shape))
    let (config, reference) = try (
      json(out, "adapter/adapter_config.json"), json(golden, "adapter/adapter_config.json")
    )
    for key in ["peft_type", "task_type", "r", "lora_alpha", "bias", "use_rslora", "base_model_name_or_path"] {
      #expect(config[key] == reference[key], "\(key)")
    }
    #expect(
      try json(out, "lora_config.json") == [
        "use_lora": true, "lora_r": 2, "lora_alpha": 4, "lora_dropout": 0.1, "r": 2, "alpha": 4, "dropout": 0.1,
        "target_modules": [
          "attention.output.dense", "attention.self.key", "attention.self.query", "attention.self.value",
          "bert.pooler.dense", "intermediate.dense", "output.dense",
        ], "use_rslora": false,
      ])
  }

  @Test func `merged weights are the base plus alpha over r times B times A`() throws {
    let base = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    let encoder = try base.encoder(on: engine)
    try encoder.attach(lora: LoRASettings(r: 2, alpha: 3, targetModules: ["query"]), seed: 1)
    let name = "encoder.layer.1.attention.self.query"
    let before = try #require(values(encoder.weights, "\(name).weight"))
    let up = try #require(encoder.weights.first { $0.name == "\(name).lora_B.weight" }).value
    up.fill(0.5)
    let down = try #require(values(encoder.weights, "\(name).lora_A.weight"))
    try base.write(encoder, settings: base.settings, to: out)
    let merged = try #require(values(CheckpointFolder(out).encoder(on: engine).weights, "\(name).weight"))
    for row in 0..<8 {
      for column in 0..<8 {
        let expected = before[8 * row + column] + 1.5 * 0.5 * (down[column] + down[8 + column])
        #expect(abs(merged[8 * row + column] - expected) < 1e-6)
      }
    }
    #expect(try json(out, "adapter/adapter_config.json")["target_modules"] == ["query"])
    #expect(try json(out, "adapter/adapter_config.json")["modules_to_save"] == .null)
  }

  @Test func `config.json names the type of the weights, whatever the base's said`() throws {
    let folder = scratch.url.appending(path: "half")
    try FileManager.default.copyItem(at: golden.appending(path: "sharded"), to: folder)
    var config = try Configuration(contentsOf: folder.appending(path: "config.json"), in: folder)
    config.values["dtype"] = nil
    config.values["torch_dtype"] = "float16"
    try config.write()
    let base = try CheckpointFolder(folder)
    try base.write(base.encoder(on: engine), settings: base.settings, to: out)
    #expect(try json(out, "config.json")["torch_dtype"] == "float32")
  }

  @Test(arguments: [SavedType.bfloat16, .float16])
  func `a base in halves is written in its own type, byte for byte, unless another is asked for`(type: SavedType) throws
  {
    let base = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    let (half, again, whole) = (out, scratch.url.appending(path: "again"), scratch.url.appending(path: "whole"))
    try base.write(base.encoder(on: engine), settings: base.settings, as: type, to: half)
    let folder = try CheckpointFolder(half)
    try folder.write(folder.encoder(on: engine), settings: folder.settings, to: again)
    try folder.write(folder.encoder(on: engine), settings: folder.settings, as: .float32, to: whole)
    func bytes(_ folder: URL) throws -> Data { try Data(contentsOf: folder.appending(path: "model.safetensors")) }
    #expect(try bytes(half) == bytes(again) && bytes(whole).count > bytes(half).count)
    #expect(try json(again, "config.json")["dtype"] == .string(type.rawValue))
    #expect(try json(whole, "config.json")["dtype"] == "float32")
    let tensors = try [half, whole].map { try SafeTensors(contentsOf: $0.appending(path: "model.safetensors")) }
    for name in tensors[0].names {
      #expect(
        try engine.tensor(tensors[0].stored(name), as: .f32).array == engine.tensor(tensors[1].stored(name)).array)
    }
  }

  @Test func `an adapter that is merged into halves is rounded once, and kept unrounded beside`() throws {
    let plain = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    let half = scratch.url.appending(path: "half")
    try plain.write(plain.encoder(on: engine), settings: plain.settings, as: .bfloat16, to: half)
    let base = try CheckpointFolder(half)
    let encoder = try base.encoder(on: engine)
    try encoder.attach(lora: LoRASettings(r: 2, alpha: 3, targetModules: ["query"]), seed: 1)
    let name = "encoder.layer.1.attention.self.query"
    try #require(encoder.weights.first { $0.name == "\(name).lora_B.weight" }).value.fill(0.013)
    let (whole, rounded) = (scratch.url.appending(path: "whole"), out)
    try base.write(encoder, settings: base.settings, as: .float32, to: whole)
    try base.write(encoder, settings: base.settings, to: rounded)
    let merged = try [whole, rounded].map {
      try #require(values(CheckpointFolder($0).encoder(on: engine).weights, "\(name).weight"))
    }
    #expect(merged[0] != merged[1])
    // Half of a unit in the last of 8 digits.
    #expect(zip(merged[0], merged[1]).allSatisfy { abs($0 - $1) <= abs($0) / 256 })
    let adapters = try [whole, rounded].map {
      try Data(contentsOf: $0.appending(path: "adapter/adapter_model.safetensors"))
    }
    #expect(adapters[0] == adapters[1])
  }

  @Test func `a new encoder follows from its seed, has normal weights and an empty row for padding`() throws {
    let config = Bert(
      vocabularySize: 25, hiddenSize: 32, layerCount: 1, headCount: 2, intermediateSize: 64, maximumPositions: 16)
    let folders = try [5, 5, 6].enumerated().map { index, seed in
      let folder = scratch.url.appending(path: "new-\(index)")
      try config.writeNewEncoder(
        to: folder, tokenizer: golden.appending(path: "classifier"), settings: SentenceSettings(maxSequenceLength: 12),
        seed: UInt64(seed), on: engine)
      return folder
    }
    let bytes = try folders.map { try Data(contentsOf: $0.appending(path: "model.safetensors")) }
    #expect(bytes[0] == bytes[1] && bytes[0] != bytes[2])
    let folder = try CheckpointFolder(folders[0])
    #expect(folder.architecture as? Bert == config && folder.settings == SentenceSettings(maxSequenceLength: 12))
    let encoder = try folder.encoder(on: engine)
    let words = try #require(values(encoder.weights, "embeddings.word_embeddings.weight"))
    #expect(words[..<32].allSatisfy { $0 == 0 })
    let variance = words[32...].reduce(0) { $0 + $1 * $1 } / Float(words.count - 32)
    // Four standard errors of the variance of 768 normal numbers.
    #expect(abs(variance / (0.02 * 0.02) - 1) < 4 * (2 / Float(768)).squareRoot())
    #expect(values(encoder.weights, "embeddings.LayerNorm.weight")?.allSatisfy { $0 == 1 } == true)
    #expect(values(encoder.weights, "encoder.layer.0.output.dense.bias")?.allSatisfy { $0 == 0 } == true)
    #expect(try folder.crossEncoder(on: engine, seed: 1).newModules == ["classifier"])
  }

  private func json(_ folder: URL, _ path: String) throws -> JSONValue {
    try Configuration(contentsOf: folder.appending(path: path), in: folder).values
  }
}
