/// ModernBERT (Warner et al. 2024). Sizes and constants, as `config.json` names them, and weights, as transformers
/// does.
import Tensors

package struct ModernBert: Architecture {
  let vocabularySize, hiddenSize, layerCount, headCount, intermediateSize, maximumPositions: Int
  /// The gate's, and the head's.
  let activation, headActivation: Activation
  let normEpsilon: Float
  package let initializerRange: Float
  let hasAttentionBias, hasInnerBias, hasNormBias, hasHeadBias: Bool
  let pattern: LayerPattern
  /// How far a local layer's tokens see to either side.
  let window: Int
  package let classifierPooling: PoolingMode

  /// Throws a `CheckpointError` that names each key by which the file describes another architecture, or which it
  /// lacks.
  package init(_ file: Configuration) throws {
    let reader = SizeReader(file)
    vocabularySize = try reader.size("vocab_size", atMost: SizeReader.mostIDs)
    hiddenSize = try reader.size("hidden_size", atMost: SizeReader.mostWidth)
    layerCount = try reader.size("num_hidden_layers", atMost: SizeReader.mostLayers)
    headCount = try reader.size("num_attention_heads", atMost: SizeReader.mostWidth)
    intermediateSize = try reader.size("intermediate_size", atMost: SizeReader.mostInner / 2)
    maximumPositions = try reader.size("max_position_embeddings", atMost: SizeReader.mostIDs)
    activation = try reader.choice("hidden_activation", absent: "gelu", among: SizeReader.gates) ?? .gelu
    headActivation = try reader.choice("classifier_activation", absent: "gelu", among: SizeReader.gates) ?? .gelu
    normEpsilon = try reader.positive("norm_eps", absent: 1e-5)
    initializerRange = try reader.deviation()
    hasAttentionBias = try reader.flag("attention_bias")
    hasInnerBias = try reader.flag("mlp_bias")
    hasNormBias = try reader.flag("norm_bias")
    hasHeadBias = try reader.flag("classifier_bias")
    window = try reader.size("local_attention", absent: 128, atMost: SizeReader.mostIDs) / 2
    let period = try reader.size("global_attn_every_n_layers", absent: 3, atMost: SizeReader.mostLayers)
    pattern = LayerPattern(
      isLocal: try LayerPattern.read(reader, count: layerCount) { $0 % period != 0 },
      global: try RotaryPositions(reader, key: "global_rope_theta", theta: 160_000),
      local: try RotaryPositions(reader, layers: "sliding_attention", key: "local_rope_theta", theta: 10_000))
    classifierPooling =
      try reader.choice("classifier_pooling", absent: "cls", among: ["cls": .cls, "mean": .mean]) ?? .cls
    if reader.isFine, hiddenSize % (2 * headCount) != 0 {
      reader.refuse(
        "num_attention_heads", "\(headCount)",
        "a divisor of half of hidden_size \(hiddenSize): a head's halves are turned")
    }
    try reader.finish()
  }
}

extension ModernBert {
  package static let modelTypes = ["modernbert"]
  package var classes: (encoder: String, classifier: String) {
    ("ModernBertModel", "ModernBertForSequenceClassification")
  }
  package var prefix: String { "model." }
  package var classifierName: String { "classifier" }
  package var width: Int { hiddenSize }
  package var maxTokens: Int { maximumPositions }

  func sight(ofLayer index: Int) -> Sight { pattern.isLocal[index] ? Sight(before: window, after: window) : .all }

  /// The map to the vocabulary is left out.
  package func modelName(of stored: String) -> String? { stored.hasPrefix("decoder.") ? nil : stored }

  package var sizes: [NamedSize] {
    let (table, layer) = ("embeddings.tok_embeddings.weight", "layers.*.mlp.Wo.weight")
    return [
      NamedSize(key: "vocab_size", size: vocabularySize, tensor: table, dimension: 0),
      NamedSize(key: "hidden_size", size: hiddenSize, tensor: table, dimension: 1),
      NamedSize(key: "intermediate_size", size: intermediateSize, tensor: "layers.0.mlp.Wo.weight", dimension: 1),
      NamedSize(key: "num_hidden_layers", size: layerCount, tensor: layer, dimension: nil),
    ]
  }

  package func body(_ builder: ModelBuilder, at prefix: String) throws -> any Body {
    try ModernBertBody(self, builder, prefix)
  }

  /// The head that predicts words: a classifier begins with it.
  package func pooler(_ builder: ModelBuilder, at prefix: String) throws { _ = try head(builder, at: prefix) }

  package func head(_ builder: ModelBuilder, at prefix: String) throws -> (any Head)? {
    ModernBertHead(
      dense: try linear(builder, "head.dense", hiddenSize, hiddenSize, hasHeadBias), activation: headActivation,
      norm: try norm(builder, "head.norm"))
  }

  func linear(
    _ builder: ModelBuilder, _ name: String, _ out: Int, _ into: Int, _ hasBias: Bool
  ) throws -> LinearLayer {
    try builder.linear(name, out, into, hasBias: hasBias, deviation: initializerRange)
  }

  func norm(_ builder: ModelBuilder, _ name: String) throws -> Norm {
    try builder.norm(name, hiddenSize, hasBias: hasNormBias, eps: normEpsilon)
  }
}

private struct ModernBertHead: Head {
  let dense: LinearLayer  // [hidden, hidden]
  let activation: Activation
  let norm: Norm

  func forward(_ x: Variable, rows: Rows, on tape: Tape, _ dropout: Dropouts) -> Variable {
    norm(dense(x, activation, rows: rows, on: tape), rows: rows, on: tape)
  }
}
