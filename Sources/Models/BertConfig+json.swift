/// BERT's configuration out of `config.json` and into it.
import JSONText

extension BertConfig {
  /// Throws a `CheckpointError` that names the key if the file describes another architecture or lacks a size.
  package init(_ file: Configuration) throws {
    func check(_ key: String, is expected: String..., absent: String? = nil) throws {
      let found = try absent == nil ? file.string(key) : file.string(ifPresent: key) ?? absent!
      if !expected.contains(found) {
        throw CheckpointError(
          file.file, "key \"\(key)\"", found: "\"\(found)\"",
          expected: expected.map { "\"\($0)\"" }.joined(separator: " or "), remedy: "Nothing else is supported yet.")
      }
    }
    func size(_ key: String) throws -> Int {
      let value = try file.int(key)
      guard (1...1 << 31).contains(value) else {
        throw CheckpointError(file.file, "key \"\(key)\"", found: "\(value)", expected: "a size from 1 to 2³¹")
      }
      return value
    }
    func probability(_ key: String) throws -> Float {
      let value = try file.double(ifPresent: key) ?? 0.1
      guard (0..<1).contains(value) else {
        throw CheckpointError(file.file, "key \"\(key)\"", found: "\(value)", expected: "a number from 0 to below 1")
      }
      return Float(value)
    }

    try check("model_type", is: "bert")
    try check("hidden_act", is: "gelu")
    try check("position_embedding_type", is: "absolute", absent: "absolute")
    self.init(
      vocabularySize: try size("vocab_size"), hiddenSize: try size("hidden_size"),
      layerCount: try size("num_hidden_layers"), headCount: try size("num_attention_heads"),
      intermediateSize: try size("intermediate_size"), maximumPositions: try size("max_position_embeddings"),
      segmentCount: try size("type_vocab_size"),
      layerNormEpsilon: Float(try file.double(ifPresent: "layer_norm_eps") ?? 1e-12),
      hiddenDropout: try probability("hidden_dropout_prob"),
      attentionDropout: try probability("attention_probs_dropout_prob"),
      initializerRange: Float(try file.double(ifPresent: "initializer_range") ?? 0.02),
      paddingID: try file.int(ifPresent: "pad_token_id") ?? 0)
    guard hiddenSize % headCount == 0 else {
      throw CheckpointError(
        file.file, "key \"num_attention_heads\"", found: "\(headCount)",
        expected: "a divisor of hidden_size \(hiddenSize)")
    }
  }

  /// `config.json` of a new encoder.
  package var json: JSONValue {
    [
      "architectures": ["BertModel"],
      "attention_probs_dropout_prob": .float(attentionDropout),
      "dtype": "float32",
      "hidden_act": "gelu",
      "hidden_dropout_prob": .float(hiddenDropout),
      "hidden_size": .int(hiddenSize),
      "initializer_range": .float(initializerRange),
      "intermediate_size": .int(intermediateSize),
      "layer_norm_eps": .float(layerNormEpsilon),
      "max_position_embeddings": .int(maximumPositions),
      "model_type": "bert",
      "num_attention_heads": .int(headCount),
      "num_hidden_layers": .int(layerCount),
      "pad_token_id": .int(paddingID),
      "position_embedding_type": "absolute",
      "type_vocab_size": .int(segmentCount),
      "vocab_size": .int(vocabularySize),
    ]
  }
}
