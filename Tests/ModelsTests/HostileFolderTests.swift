/// Model folders that claim what is not so: refused by name before anything is opened, allocated or made.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct HostileFolderTests {
  let scratch: ScratchFolder
  let folder: URL
  /// Lies outside the folder.
  let secret: URL

  init() throws {
    scratch = try ScratchFolder()
    folder = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: golden.appending(path: "sentence-transformer"), to: folder)
    secret = try scratch.write("{}", to: "secret.safetensors")
  }

  private func refusal() throws -> String {
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(folder) }
    return try #require(error).description
  }

  private func change(_ path: String, _ changes: [(String, String)]) throws {
    var text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    for (old, new) in changes {
      #expect(text.contains(old))
      text = text.replacing(old, with: new)
    }
    try scratch.write(text, to: "model/\(path)")
  }

  @Test(arguments: [
    (#""num_hidden_layers": 2"#, #""num_hidden_layers": 1000000000"#, "a size from 1 to 10000"),
    (#""num_hidden_layers": 2"#, #""num_hidden_layers": 9999"#, #"expected "num_hidden_layers": 2, as many as"#),
    (#""hidden_size": 8"#, #""hidden_size": 9223372036854775807"#, "a size from 1 to 1048576"),
    (
      #""hidden_size": 8"#, #""hidden_size": 16"#,
      #"expected "hidden_size": 8, as embeddings.word_embeddings.weight [25, 8]"#
    ),
    (#""vocab_size": 25"#, #""vocab_size": 2147483648"#, "a size from 1 to 2147483647"),
    (#""vocab_size": 25"#, #""vocab_size": 2147483647"#, #"expected "vocab_size": 25"#),
    (#""intermediate_size": 12"#, #""intermediate_size": 16777216"#, #"expected "intermediate_size": 12"#),
    (#""max_position_embeddings": 16"#, #""max_position_embeddings": 17"#, #"expected "max_position_embeddings": 16"#),
    (#""type_vocab_size": 2"#, #""type_vocab_size": 0"#, #"key "type_vocab_size": found 0"#),
    (#""type_vocab_size": 2"#, #""type_vocab_size": 3"#, #"expected "type_vocab_size": 2"#),
    (#""num_attention_heads": 2"#, #""num_attention_heads": 0"#, #"key "num_attention_heads": found 0"#),
    (#""layer_norm_eps": 1e-12"#, #""layer_norm_eps": 0"#, "a number above 0"),
    (#""layer_norm_eps": 1e-12"#, #""layer_norm_eps": 1e-60"#, "a number above 0"),
    (#""layer_norm_eps": 1e-12"#, #""layer_norm_eps": 1e200"#, "a number above 0"),
    (#""hidden_dropout_prob": 0.1"#, #""hidden_dropout_prob": 1"#, "a number from 0 to below 1"),
    (#""hidden_dropout_prob": 0.1"#, #""hidden_dropout_prob": 0.999999999999"#, "a number from 0 to below 1"),
    (#""initializer_range": 0.02"#, #""initializer_range": -1"#, "a number from 0"),
  ])
  func `sizes and constants that cannot be are named with file, key, found and expected`(
    old: String, new: String, message: String
  ) throws {
    try change("config.json", [(old, new)])
    let text = try refusal()
    #expect(text.contains("model/config.json: ") && text.contains(message), "\(text)")
  }

  @Test func `every size that differs from the tensors' is named at once`() throws {
    try change(
      "config.json", [(#""vocab_size": 25"#, #""vocab_size": 26"#), (#""hidden_size": 8"#, #""hidden_size": 4"#)])
    #expect(try refusal().contains(#"found "vocab_size": 26, "hidden_size": 4, expected "vocab_size": 25, as"#))
  }

  static let files = [
    "config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "config_sentence_transformers.json",
    "sentence_bert_config.json", "tokenizer_config.json",
  ]

  @Test(arguments: files) func `a named pipe is refused, not waited for`(path: String) throws {
    let file = folder.appending(path: path)
    try? FileManager.default.removeItem(at: file)  // some are optional
    if path == "tokenizer_config.json" { try withoutLength() }
    #expect(mkfifo(file.path, 0o600) == 0)
    let text = try refusal()
    #expect(text.contains(path) && text.contains("found a named pipe, expected a regular file"), "\(text)")
  }

  @Test(arguments: files) func `a link that leads out of the folder is refused`(path: String) throws {
    let file = folder.appending(path: path)
    try? FileManager.default.removeItem(at: file)  // some are optional
    if path == "tokenizer_config.json" { try withoutLength() }
    try FileManager.default.createSymbolicLink(at: file, withDestinationURL: secret)
    let text = try refusal()
    #expect(text.contains(path) && text.contains("found a link that leads out of the folder"), "\(text)")
  }

  /// The length is asked of the tokenizer only where there is no other.
  private func withoutLength() throws {
    try? FileManager.default.removeItem(at: folder.appending(path: "sentence_bert_config.json"))
  }

  @Test func `a hub's snapshot, whose files link into its blobs, is read`() throws {
    let snapshot = scratch.url.appending(path: "hub/snapshots/abc")
    let blobs = scratch.url.appending(path: "hub/blobs")
    for path in [blobs, snapshot.appending(path: "1_Pooling"), snapshot.appending(path: "2_Normalize")] {
      try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
    }
    for (number, path) in try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted().enumerated() {
      let blob = blobs.appending(path: "\(number)")
      guard path.contains(".") else { continue }  // folders
      try FileManager.default.copyItem(at: folder.appending(path: path), to: blob)
      let up = path.contains("/") ? "../../../blobs" : "../../blobs"
      try FileManager.default.createSymbolicLink(
        atPath: snapshot.appending(path: path).path, withDestinationPath: "\(up)/\(number)")
    }
    #expect(try CheckpointFolder(snapshot).settings == CheckpointFolder(folder).settings)
  }

  @Test(arguments: [
    "../secret.safetensors", "/secret.safetensors", "../\u{301}secret.safetensors", "a\\u0000.safetensors",
  ])
  func `a shard that does not lie beside its index is refused`(name: String) throws {
    try shards(name)
    #expect(try refusal().contains("expected the name of a .safetensors file beside the index"))
  }

  @Test func `a shard that is a link out of the folder is refused`() throws {
    try shards("x.safetensors")
    try FileManager.default.createSymbolicLink(
      at: folder.appending(path: "x.safetensors"), withDestinationURL: secret)
    #expect(try refusal().contains("x.safetensors: found a link that leads out of the folder"))
  }

  private func shards(_ name: String) throws {
    try FileManager.default.removeItem(at: folder.appending(path: "model.safetensors"))
    try scratch.write(#"{"weight_map": {"a": "\#(name)"}}"#, to: "model/model.safetensors.index.json")
  }

  @Test(arguments: ["../outside", "/etc", "../\u{301}x", "a\\u0000b", "a/../../outside", "link"])
  func `a module's path that leads out of the folder is refused`(path: String) throws {
    let outside = scratch.url.appending(path: "outside")
    try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(at: folder.appending(path: "link"), withDestinationURL: outside)
    try change("modules.json", [(#""path": "1_Pooling""#, #""path": "\#(path)""#)])
    #expect(try refusal().contains("expected a folder inside this one"))
  }

  @Test func `a file of settings that is too large to be one is refused`() throws {
    let file = folder.appending(path: "config.json")
    #expect(truncate(file.path, 65 << 20) == 0)
    #expect(try refusal().contains("config.json: found 68157440 bytes, expected at most 67108864 bytes"))
  }

  @Test func `a new model of absurd size is refused before anything is made`() throws {
    let config = Bert(
      vocabularySize: 1_000_000, hiddenSize: 16_384, layerCount: 128, headCount: 256, intermediateSize: 65_536)
    let out = scratch.url.appending(path: "new")
    // 1,000,000 + 512 + 2 rows of embeddings, 128 layers of 4·16,384² + 2·16,384·65,536 and vectors, and a pooler.
    let error = #expect(throws: ModelError.self) {
      try config.writeNewEncoder(
        to: out, tokenizer: golden, settings: SentenceSettings(maxSequenceLength: 12), seed: 1, memory: 16_000_000_000,
        on: CPU(threads: 1))
    }
    #expect(
      try #require(error).description == """
        a model of these sizes has 429 G weights, which take 1.7 TB; there are 16 GB of memory: \
        lower vocab_size, hidden_size, num_hidden_layers or intermediate_size
        """)
    #expect(!FileManager.default.fileExists(atPath: out.path))
  }
}
