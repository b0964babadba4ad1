/// The configuration of BERT and its kin out of `config.json` and into it.
import JSONText
import Tensors

extension Bert {
  /// Throws a `CheckpointError` that names each key by which the file describes another architecture, or which it lacks.
  package init(_ file: Configuration) throws {
    let reader = SizeReader(file)
    func probability(_ key: String) throws -> Float {
      try reader.number(key, absent: 0.1, "a number from 0 to below 1") { (0..<1).contains($0) }
    }
    // `Architectures.read` lets through no other.
    let kind = Kind(rawValue: try file.string("model_type")) ?? .bert
    let activation = try reader.choice("hidden_act", among: SizeReader.activations)
    try reader.require("position_embedding_type", absentOr: "\"absolute\"") {
      try $0.string("position_embedding_type") == "absolute"
    }
    if try reader.flag("is_decoder") {
      reader.refuse(
        "is_decoder", "true: each token sees only those before it", "false: an encoder", SizeReader.alone)
    }
    self.init(
      kind, vocabularySize: try reader.size("vocab_size", atMost: SizeReader.mostIDs),
      hiddenSize: try reader.size("hidden_size", atMost: SizeReader.mostWidth),
      layerCount: try reader.size("num_hidden_layers", atMost: SizeReader.mostLayers),
      headCount: try reader.size("num_attention_heads", atMost: SizeReader.mostWidth),
      intermediateSize: try reader.size("intermediate_size", atMost: SizeReader.mostInner),
      maximumPositions: try reader.size("max_position_embeddings", atMost: SizeReader.mostIDs),
      segmentCount: kind == .mpnet ? 1 : try reader.size("type_vocab_size", atMost: SizeReader.mostIDs),
      layerNormEpsilon: try reader.positive("layer_norm_eps", absent: 1e-12),
      hiddenDropout: try probability("hidden_dropout_prob"),
      attentionDropout: try probability("attention_probs_dropout_prob"),
      initializerRange: try reader.deviation(),
      paddingID: kind == .mpnet
        ? 1 : try reader.read(nil) { try file.int(ifPresent: "pad_token_id") } ?? (kind == .bert ? 0 : 1))
    self.activation = activation ?? .gelu
    if biasCount > 0, let count = try reader.read(nil, { try file.int(ifPresent: "relative_attention_num_buckets") }),
      count != biasCount
    {
      reader.refuse("relative_attention_num_buckets", "\(count)", "\(biasCount)")
    }
    if reader.isFine {
      if kind != .bert, !(0..<maximumPositions - 1).contains(paddingID) {
        reader.refuse(
          "pad_token_id", "\(paddingID)",
          "0 to below \(maximumPositions - 1): positions are counted from the one after it")
      }
      if hiddenSize % headCount != 0 {
        reader.refuse("num_attention_heads", "\(headCount)", "a divisor of hidden_size \(hiddenSize)")
      }
    }
    try reader.finish()
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
