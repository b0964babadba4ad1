/// Model folders whose weights PyTorch saved, and teachers of the distillation program.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct PyTorchFolderTests {
  private let engine = CPU(threads: 1)

  private func weights(_ folder: URL) throws -> [[Float]] {
    try CheckpointFolder(folder).encoder(on: engine).weights.map(\.array)
  }

  @Test(arguments: ["bin", "bin-sharded", "f64"])
  func `a folder of pytorch_model.bin, of its shards, or of doubles has the weights of model.safetensors`(
    name: String
  ) throws {
    #expect(try weights(pytorch.appending(path: name)) == weights(pytorch.appending(path: "base")))
  }

  @Test func `where both formats are there, model.safetensors counts`() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: pytorch.appending(path: "base"), to: folder)
    try scratch.write("not even an archive", to: "model/pytorch_model.bin")
    #expect(try weights(folder) == weights(pytorch.appending(path: "base")))
  }

  @Test func `sizes in config.json that pytorch_model.bin does not have are named`() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: pytorch.appending(path: "bin"), to: folder)
    var config = try Configuration(contentsOf: folder.appending(path: "config.json"), in: folder)
    config.values["vocab_size"] = 26
    try config.write()
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(folder) }
    #expect(try #require(error).description.contains(#"expected "vocab_size": 25"#))
  }

  @Test func `a shard of another format is refused`() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: pytorch.appending(path: "bin-sharded"), to: folder)
    try scratch.write(#"{"weight_map": {"a": "x.safetensors"}}"#, to: "model/pytorch_model.bin.index.json")
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(folder) }
    #expect(try #require(error).description.contains("expected the name of a .bin file beside the index"))
  }

  private func refusal(_ folder: URL, base: URL? = nil) throws -> String {
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(folder, base: base) }
    return try #require(error).description
  }

  @Test func `a teacher without its encoder says at which port this belongs`() throws {
    let text = try refusal(pytorch.appending(path: "teacher-lora"))
    #expect(
      text.contains("found best_model.pt and no other weights") && text.contains("the port `base` of `score`"),
      "\(text)"
    )
  }

  @Test func `an encoder for a model that needs none is refused`() throws {
    let base = pytorch.appending(path: "base")
    #expect(try refusal(base, base: base).contains("found no best_model.pt"))
  }

  @Test func `a teacher with the encoder of another size is refused with both sizes`() throws {
    let text = try refusal(
      pytorch.appending(path: "teacher-lora"), base: golden.appending(path: "sentence-transformer"))
    #expect(text.contains(#"found "hidden_size": 8"#) && text.contains("best_model.pt are of two models"), "\(text)")
  }

  @Test func `adapters are added by the keys that we give lora_config.json, too`() throws {
    let scratch = try ScratchFolder()
    let (theirs, base) = (pytorch.appending(path: "teacher-lora"), pytorch.appending(path: "base"))
    let ours = scratch.url.appending(path: "teacher")
    try FileManager.default.copyItem(at: theirs, to: ours)
    try scratch.write(#"{"r": 4, "alpha": 12, "dropout": 0.1}"#, to: "teacher/lora_config.json")
    let weights = try [theirs, ours].map { folder in
      try CheckpointFolder(folder, base: base).crossEncoder(on: engine, seed: 1).model.weights.map(\.array)
    }
    #expect(weights[0] == weights[1])
  }

  @Test func `a rank that lora_config.json does not name is refused`() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.url.appending(path: "teacher")
    try FileManager.default.copyItem(at: pytorch.appending(path: "teacher-lora"), to: folder)
    try FileManager.default.removeItem(at: folder.appending(path: "lora_config.json"))
    let text = try refusal(folder, base: pytorch.appending(path: "base"))
    #expect(text.contains("found rank 4, expected 32"), "\(text)")
  }

  @Test(arguments: [
    ("headless.pt", "found no tensor classifier.weight, classifier.bias"),
    ("bin/pytorch_model.bin", "found a name of another program"),
  ])
  func `a state that is no teacher's is refused`(path: String, message: String) throws {
    let scratch = try ScratchFolder()
    try FileManager.default.copyItem(
      at: pytorch.appending(path: path), to: scratch.url.appending(path: "best_model.pt"))
    let text = try refusal(scratch.url, base: pytorch.appending(path: "base"))
    #expect(text.contains(message), "\(text)")
  }

  @Test func `a PEFT adapter alone is refused with the name of its base`() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.url.appending(path: "adapter")
    try FileManager.default.copyItem(at: golden.appending(path: "adapter"), to: folder)
    let settings = folder.appending(path: "adapter_config.json")
    var config = try Configuration(contentsOf: settings, in: folder)
    config.values["base_model_name_or_path"] = "org/encoder"
    try config.write()
    let text = try refusal(folder)
    #expect(text.contains("found a PEFT adapter alone") && text.contains(#"the model "org/encoder""#), "\(text)")
  }

  @Test func `a head of three labels is refused, whatever it is asked for`() throws {
    let folder = try CheckpointFolder(pytorch.appending(path: "labels-3"))
    let error = #expect(throws: CheckpointError.self) { try folder.crossEncoder(on: engine, seed: 1) }
    #expect(try #require(error).description.contains("found a head of 3 labels, expected one label"))
  }
}
