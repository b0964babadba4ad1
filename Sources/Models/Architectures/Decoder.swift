/// Decoders: Llama (Touvron et al. 2023), Qwen 2 and 3 (Qwen Team 2024, 2025) and Gemma 3 (Gemma Team 2025), as
/// encoders and cross-encoders. Sizes and constants, as `config.json` names them, and weights, as transformers does.
import Tensors

package struct Decoder: Architecture {
  /// Under transformers' `model_type`.
  package enum Kind: String, Sendable, CaseIterable {
    case llama, qwen2, qwen3
    case gemma3 = "gemma3_text"
  }
  let kind: Kind
  let vocabularySize, hiddenSize, layerCount, headCount, keyValueHeadCount, headWidth, intermediateSize: Int
  let maximumPositions: Int
  /// The gate's.
  let activation: Activation
  let normEpsilon: Float
  package let initializerRange: Float
  /// Whether maps have a bias: to queries, keys and values; of attention's output; in the feed-forward part.
  let hasQueryBias, hasOutputBias, hasInnerBias: Bool
  let pattern: LayerPattern
  /// How far a local layer's tokens see, themselves left out.
  let window: Int?
  /// Tokens see those after them, too.
  let isBidirectional: Bool
  /// By which attention's scores are multiplied.
  let scoreScale: Float
  /// By which embeddings are multiplied.
  let embeddingScale: Float
  /// The table of embeddings is the map to the vocabulary, too.
  let tiesOutput: Bool
}

extension Decoder {
  package static let modelTypes = Kind.allCases.map(\.rawValue)
  package var classes: (encoder: String, classifier: String) {
    let name =
      switch kind {
      case .llama: "Llama"
      case .qwen2: "Qwen2"
      case .qwen3: "Qwen3"
      case .gemma3: "Gemma3Text"
      }
    return ("\(name)Model", "\(name)ForSequenceClassification")
  }
  /// transformers' class that predicts tokens.
  var causalClass: String {
    kind == .gemma3 ? "Gemma3ForCausalLM" : classes.encoder.replacing("Model", with: "ForCausalLM")
  }
  package var prefix: String { "model." }
  package var classifierName: String { "score" }
  package var classifierHasBias: Bool { false }
  package var classifierPooling: PoolingMode { .lastToken }

  package var width: Int { hiddenSize }
  package var maxTokens: Int { maximumPositions }
  /// Queries and keys are normalised, head by head.
  var normalisesHeads: Bool { [.qwen3, .gemma3].contains(kind) }
  /// What each part of a layer gives is normalised before it is added.
  var normalisesOutputs: Bool { kind == .gemma3 }
  /// What is added to a norm's factors.
  var normShift: Float { kind == .gemma3 ? 1 : 0 }

  func sight(ofLayer index: Int) -> Sight {
    let reach = pattern.isLocal[index] ? window : nil
    return Sight(before: reach, after: isBidirectional ? reach : 0)
  }

  /// The map to the vocabulary and old checkpoints' frequencies are left out.
  package func modelName(of stored: String) -> String? {
    stored.hasPrefix("lm_head.") || stored.hasSuffix("rotary_emb.inv_freq") ? nil : stored
  }

  package var sizes: [NamedSize] {
    [
      NamedSize(key: "vocab_size", size: vocabularySize, tensor: "embed_tokens.weight", dimension: 0),
      NamedSize(key: "hidden_size", size: hiddenSize, tensor: "embed_tokens.weight", dimension: 1),
      NamedSize(
        key: "intermediate_size", size: intermediateSize, tensor: "layers.0.mlp.gate_proj.weight", dimension: 0),
      NamedSize(key: "num_hidden_layers", size: layerCount, tensor: "layers.*.mlp.down_proj.weight", dimension: nil),
    ]
  }

  package func body(_ builder: ModelBuilder, at prefix: String) throws -> any Body {
    try DecoderBody(self, builder, prefix)
  }
}
