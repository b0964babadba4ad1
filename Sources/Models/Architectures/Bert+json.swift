/// The configuration of BERT and its kin out of `config.json` and into it.
import JSONText
import Tensors

extension Bert {
  /// transformers' names; three of them are the same approximation.
  private static let activations: [String: Activation] = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh,
  ]

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
    // With these limits no product of two sizes overflows, and no list of a model's tensors is long.
    func size(_ key: String, atMost most: Int) throws -> Int {
      let value = try file.int(key)
      guard (1...most).contains(value) else {
        throw CheckpointError(file.file, "key \"\(key)\"", found: "\(value)", expected: "a size from 1 to \(most)")
      }
      return value
    }
    func number(
      _ key: String, absent: Float, _ expected: String, _ isRight: (Float) -> Bool
    ) throws -> Float {
      guard let value = try file.double(ifPresent: key) else { return absent }
      guard isRight(Float(value)) else {
        throw CheckpointError(file.file, "key \"\(key)\"", found: "\(value)", expected: expected)
      }
      return Float(value)
    }
    func probability(_ key: String) throws -> Float {
      try number(key, absent: 0.1, "a number from 0 to below 1") { (0..<1).contains($0) }
    }
    let ids = Int(Int32.max)
    // `Architectures.read` lets through no other.
    let kind = Kind(rawValue: try file.string("model_type")) ?? .bert

    let activation = try file.string("hidden_act")
    guard let activation = Self.activations[activation] else {
      throw CheckpointError(
        file.file, "key \"hidden_act\"", found: "\"\(activation)\"",
        expected: Self.activations.keys.sorted().map { "\"\($0)\"" }.joined(separator: " or "),
        remedy: "Nothing else is supported yet.")
    }
    try check("position_embedding_type", is: "absolute", absent: "absolute")
    if try file.bool(ifPresent: "is_decoder") == true {
      throw CheckpointError(
        file.file, "key \"is_decoder\"", found: "true: each token sees only those before it",
        expected: "false: an encoder", remedy: "Nothing else is supported yet.")
    }
    self.init(
      kind, vocabularySize: try size("vocab_size", atMost: ids), hiddenSize: try size("hidden_size", atMost: 1 << 20),
      layerCount: try size("num_hidden_layers", atMost: 10_000),
      headCount: try size("num_attention_heads", atMost: 1 << 20),
      intermediateSize: try size("intermediate_size", atMost: 1 << 24),
      maximumPositions: try size("max_position_embeddings", atMost: ids),
      segmentCount: kind == .mpnet ? 1 : try size("type_vocab_size", atMost: ids),
      layerNormEpsilon: try number("layer_norm_eps", absent: 1e-12, "a number above 0") { $0 > 0 && $0.isFinite },
      hiddenDropout: try probability("hidden_dropout_prob"),
      attentionDropout: try probability("attention_probs_dropout_prob"),
      initializerRange: try number("initializer_range", absent: 0.02, "a number from 0") { $0 >= 0 && $0.isFinite },
      paddingID: kind == .mpnet ? 1 : try file.int(ifPresent: "pad_token_id") ?? (kind == .bert ? 0 : 1))
    self.activation = activation
    if biasCount > 0, let count = try file.int(ifPresent: "relative_attention_num_buckets"), count != biasCount {
      throw CheckpointError(
        file.file, "key \"relative_attention_num_buckets\"", found: "\(count)", expected: "\(biasCount)")
    }
    guard kind == .bert || (0..<maximumPositions - 1).contains(paddingID) else {
      throw CheckpointError(
        file.file, "key \"pad_token_id\"", found: "\(paddingID)",
        expected: "0 to below \(maximumPositions - 1): positions are counted from the one after it")
    }
    guard hiddenSize % headCount == 0 else {
      throw CheckpointError(
        file.file, "key \"num_attention_heads\"", found: "\(headCount)",
        expected: "a divisor of hidden_size \(hiddenSize)")
    }
  }

  /// `config.json` of a new encoder.
  package var json: JSONValue {
    [
      "architectures": [.string(classes.encoder)],
      "attention_probs_dropout_prob": .float(attentionDropout),
      "dtype": "float32",
      "hidden_act": "gelu",
      "hidden_dropout_prob": .float(hiddenDropout),
      "hidden_size": .int(hiddenSize),
      "initializer_range": .float(initializerRange),
      "intermediate_size": .int(intermediateSize),
      "layer_norm_eps": .float(layerNormEpsilon),
      "max_position_embeddings": .int(maximumPositions),
      "model_type": .string(kind.rawValue),
      "num_attention_heads": .int(headCount),
      "num_hidden_layers": .int(layerCount),
      "pad_token_id": .int(paddingID),
      "position_embedding_type": "absolute",
      "type_vocab_size": .int(segmentCount),
      "vocab_size": .int(vocabularySize),
    ]
  }
}
