/// Any bytes at all, as any file of a model folder, end in a model or in an error that names the file.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct FuzzTests {
  /// A folder with the file to be changed, and what computes.
  private struct Place {
    let folder: URL
    let file: URL
    /// What an adapter changes.
    let base: URL?
    let engine = CPU(threads: 1)

    /// - Parameter layers: folders of fixtures, laid one over the other.
    init(_ layers: [String], _ path: String, over base: String?, in scratch: URL) throws {
      folder = scratch.appending(path: "model")
      file = folder.appending(path: path)
      self.base = base.map { fixtures.appending(path: $0) }
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for layer in layers.map({ fixtures.appending(path: $0) }) {
        for item in try FileManager.default.contentsOfDirectory(at: layer, includingPropertiesForKeys: nil) {
          try FileManager.default.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
        }
      }
      if path == "tokenizer_config.json" {  // asked for a length only where no other file tells one
        try FileManager.default.removeItem(at: folder.appending(path: "sentence_bert_config.json"))
      }
    }

    /// Reads the folder and computes with what it holds.
    func read(_ bytes: [UInt8]) throws -> Bool {
      try Data(bytes).write(to: file)
      do {
        let read = try CheckpointFolder(folder, base: base)
        if read.isCrossEncoder {
          _ = try read.crossEncoder(on: engine, seed: 1)
        } else {
          let batch = PackedBatch([[1, 2, 3]])
          _ = try read.encoder(on: engine).output(of: batch)
        }
        return true
      } catch let error as CheckpointError {
        if error.description.contains(folder.lastPathComponent) { return false }
        throw error
      } catch is ModelError {
        return false
      }
    }
  }

  @Test(arguments: [
    ("models/sentence-transformer", "config.json"), ("models/sentence-transformer", "modules.json"),
    ("models/sentence-transformer", "1_Pooling/config.json"),
    ("models/sentence-transformer", "config_sentence_transformers.json"),
    ("models/sentence-transformer", "sentence_bert_config.json"),
    ("models/sentence-transformer", "tokenizer_config.json"),
    ("models/sentence-transformer", "model.safetensors"), ("models/sharded", "model.safetensors.index.json"),
    ("models/classifier", "config.json"), ("architectures/xlm-roberta", "config.json"),
    ("architectures/mpnet", "config.json"), ("architectures/qwen3-biases", "config.json"),
    ("quantized/qwen3", "config.json"), ("quantized/qwen3", "model.safetensors"),
    ("quantized/qwen3-fp4", "model.safetensors"), ("quantized/qwen3-int8", "model.safetensors"),
    ("architectures/gemma3-two-ways", "config.json"), ("architectures/modernbert-biases", "config.json"),
    ("token-score/yes-no", "modules.json"), ("token-score/yes-no", "1_LogitScore/config.json"),
  ])
  func `a folder with a mutated file is a model or refused by name`(base: String, path: String) throws {
    try fuzz([base], path)
  }

  @Test(arguments: ["modules.json", "2_Dense/config.json", "3_Dense/model.safetensors"])
  func `a folder of Dense modules with a mutated file is a model or refused by name`(path: String) throws {
    try fuzz(["pytorch/base", "folders/dense"], path)
  }

  @Test(arguments: ["adapter_config.json", "adapter_model.safetensors"])
  func `an adapter with a mutated file is a model over its base or refused by name`(path: String) throws {
    try fuzz(["adapters/patterns"], path, over: "models/sentence-transformer")
  }

  private func fuzz(_ layers: [String], _ path: String, over base: String? = nil) throws {
    let folder = try #require(layers.last)
    let whole = try Array(Data(contentsOf: fixtures.appending(path: "\(folder)/\(path)")))
    let fuzz = Fuzz(
      "\(folder)/\(path)", [whole], tokens: path.hasSuffix(".safetensors") ? Self.headers : Self.values, count: 300)
    let result = try fuzz.run(
      prepare: { try Place(layers, path, over: base, in: $0) },
      read: { bytes, place in
        try place.read(path.hasSuffix(".safetensors") ? withLength(bytes, data: dataBytes(whole)) : bytes)
      })
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }

  @Test func `mutated safetensors are refused or describe tensors that fill the file`() throws {
    let files = [try Array(Data(contentsOf: golden.appending(path: "types.safetensors")))]
    let result = try Fuzz("safetensors", files, tokens: Self.headers).run(
      prepare: { $0.appending(path: "x.safetensors") },
      read: { bytes, file in
        try Data(withLength(bytes, data: dataBytes(files[0]))).write(to: file)
        do {
          let read = try SafeTensors(contentsOf: file)
          for name in read.names {
            let count = try read.shape(of: name).reduce(1, *)
            let isFilled = try read.withBytes(of: name) { type, bytes in bytes.count * 8 == count * type.bits }
            guard isFilled else { throw CheckpointError(file, name, found: "other bytes", expected: "the shape's") }
            do { _ = try read.floats(name) } catch is CheckpointError {}  // of whole numbers
          }
          return true
        } catch let error as CheckpointError where error.found != "other bytes" {
          return false
        }
      })
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }

  private static let values = [
    #""pooling_mode_mean_tokens": true"#, #""lora_""#, #"{"query": 3}"#, #""^""#, #""\\.""#, #"{".*": 1}"#, "LORA",
    "pissa",
    #""bias": false"#, #""pad_token_id": -1"#, "Identity", "GELU", "Dense",
  ]
  private static let headers = [
    #""dtype":"F16","#, #""shape":[0]"#, #""shape":[]"#, #""shape":[4611686018427387904,4]"#, #""data_offsets":[0,0]"#,
    ".quant_state.bitsandbytes__nf4", ".SCB", ".weight_format", "\"I8\"",
    ".nested_absmax", "\"blocksize\": 32", "\"shape\": [64, 64]",
    "\"nested_offset\": 1e39",
    "F64", "I64", "F4", "F6_E2M3", "BOOL", "\u{0}\u{0}\u{0}\u{0}",
  ]
}

/// Three of four times the length that the file begins with is made right, so that the header is reached.
/// - Parameter data: bytes after the header, as they were.
private func withLength(_ bytes: [UInt8], data: Int) -> [UInt8] {
  guard bytes.count > 8, bytes.reduce(0, { $0 &+ $1 }) % 4 != 0 else { return bytes }
  return withUnsafeBytes(of: UInt64(max(0, bytes.count - 8 - data)).littleEndian) { Array($0) } + bytes[8...]
}

/// Bytes after the header.
private func dataBytes(_ file: [UInt8]) -> Int {
  file.count - 8 - file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
}
