/// The configuration of BERT and its kin out of `config.json` and into it.
import JSONText
import Tensors

extension Bert {
  /// transformers' names; three of them are the same approximation.
  private static let activations: [String: Activation] = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh,
  ]

  /// Throws a `CheckpointError` that names each key by which the file describes another architecture, or which it lacks.
  package init(_ file: Configuration) throws {
    var problems: [CheckpointError] = []
    // What is wrong is kept, and a value that does no harm taken in its place, until all has been read.
    func read<Value>(_ harmless: Value, _ body: () throws -> Value) throws -> Value {
      do { return try body() } catch let error as CheckpointError {
        problems.append(error)
        return harmless
      }
    }
    func refuse(_ key: String, _ found: String, _ expected: String, _ remedy: String? = nil) {
      problems.append(CheckpointError(file.file, "key \"\(key)\"", found: found, expected: expected, remedy: remedy))
    }
    let alone = "Nothing else is supported yet."
    // With these limits no product of two sizes overflows, and no list of a model's tensors is long.
    func size(_ key: String, atMost most: Int) throws -> Int {
      let value = try read(1) { try file.int(key) }
      if !(1...most).contains(value) { refuse(key, "\(value)", "a size from 1 to \(most)") }
      return value
    }
    func number(
      _ key: String, absent: Float, _ expected: String, _ isRight: (Float) -> Bool
    ) throws -> Float {
      guard let value = try read(nil, { try file.double(ifPresent: key) }) else { return absent }
      if !isRight(Float(value)) { refuse(key, "\(value)", expected) }
      return Float(value)
    }
    func probability(_ key: String) throws -> Float {
      try number(key, absent: 0.1, "a number from 0 to below 1") { (0..<1).contains($0) }
    }
    let ids = Int(Int32.max)
    // `Architectures.read` lets through no other.
    let kind = Kind(rawValue: try file.string("model_type")) ?? .bert

    let name = try read("gelu") { try file.string("hidden_act") }
    let activation = Self.activations[name]
    if activation == nil {
      let known = Self.activations.keys.sorted().map { "\"\($0)\"" }.joined(separator: " or ")
      refuse("hidden_act", "\"\(name)\"", known, alone)
    }
    let positions = try read(nil) { try file.string(ifPresent: "position_embedding_type") } ?? "absolute"
    if positions != "absolute" { refuse("position_embedding_type", "\"\(positions)\"", "\"absolute\"", alone) }
    if try read(nil, { try file.bool(ifPresent: "is_decoder") }) == true {
      refuse("is_decoder", "true: each token sees only those before it", "false: an encoder", alone)
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
      paddingID: kind == .mpnet
        ? 1 : try read(nil) { try file.int(ifPresent: "pad_token_id") } ?? (kind == .bert ? 0 : 1))
    self.activation = activation ?? .gelu
    if biasCount > 0, let count = try read(nil, { try file.int(ifPresent: "relative_attention_num_buckets") }),
      count != biasCount
    {
      refuse("relative_attention_num_buckets", "\(count)", "\(biasCount)")
    }
    if problems.isEmpty {
      if kind != .bert, !(0..<maximumPositions - 1).contains(paddingID) {
        refuse(
          "pad_token_id", "\(paddingID)",
          "0 to below \(maximumPositions - 1): positions are counted from the one after it")
      }
      if hiddenSize % headCount != 0 {
        refuse("num_attention_heads", "\(headCount)", "a divisor of hidden_size \(hiddenSize)")
      }
    }
    if let error = CheckpointError(together: problems) { throw error }
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
