/// BERT (Devlin et al. 2019) and the encoders of its build: RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et al. 2020)
/// and MPNet (Song et al. 2020). Sizes and constants, as `config.json` names them, and weights, as transformers does.
import Tensors

package struct Bert: Architecture {
  /// Under transformers' `model_type`.
  package enum Kind: String, Sendable, CaseIterable {
    case bert, roberta, mpnet
    case xlmRoberta = "xlm-roberta"
  }
  package var kind: Kind
  package var vocabularySize: Int
  package var hiddenSize: Int
  package var layerCount: Int
  package var headCount: Int
  package var intermediateSize: Int
  /// The activation of the feed-forward part.
  package var activation = Activation.gelu
  package var maximumPositions: Int
  package var segmentCount: Int
  package var layerNormEpsilon: Float
  package var hiddenDropout: Float
  package var attentionDropout: Float
  package var initializerRange: Float
  package var paddingID: Int

  package init(
    _ kind: Kind = .bert, vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
    maximumPositions: Int = 512, segmentCount: Int = 2, layerNormEpsilon: Float = 1e-12, hiddenDropout: Float = 0.1,
    attentionDropout: Float = 0.1, initializerRange: Float = 0.02, paddingID: Int = 0
  ) {
    self.kind = kind
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.intermediateSize = intermediateSize
    self.maximumPositions = maximumPositions
    self.segmentCount = segmentCount
    self.layerNormEpsilon = layerNormEpsilon
    self.hiddenDropout = hiddenDropout
    self.attentionDropout = attentionDropout
    self.initializerRange = initializerRange
    self.paddingID = paddingID
  }
}

extension Bert {
  package static let modelTypes = Kind.allCases.map(\.rawValue)
  package var classes: (encoder: String, classifier: String) {
    let name =
      switch kind {
      case .bert: "Bert"
      case .roberta: "Roberta"
      case .xlmRoberta: "XLMRoberta"
      case .mpnet: "MPNet"
      }
    return ("\(name)Model", "\(name)ForSequenceClassification")
  }
  package var prefix: String { kind == .xlmRoberta ? "roberta." : "\(kind.rawValue)." }
  package var classifierName: String { hasDenseHead ? "classifier.out_proj" : "classifier" }
  /// Whether a head has a dense layer of its own; else it reads the encoder's pooler.
  private var hasDenseHead: Bool { kind != .bert }

  package var width: Int { hiddenSize }
  package var maxTokens: Int { maximumPositions - firstPosition }
  var hasSegments: Bool { kind != .mpnet }
  /// Rows of the table of biases by distance, which are added to attention's scores; 0: there is none.
  var biasCount: Int { kind == .mpnet ? 32 : 0 }
  /// The row of a sequence's first token in the table of positions: RoBERTa counts from the padding's id + 1.
  var firstPosition: Int { kind == .bert ? 0 : paddingID + 1 }

  /// Norms of old checkpoints get today's names.
  package func modelName(of stored: String) -> String? {
    let buffers = ["embeddings.position_ids", "embeddings.token_type_ids"]
    let isForeign = ["cls.", "lm_head.", "qa_outputs."].contains { stored.hasPrefix($0) }
    return isForeign || buffers.contains(stored)
      ? nil
      : stored.replacing("LayerNorm.gamma", with: "LayerNorm.weight")
        .replacing("LayerNorm.beta", with: "LayerNorm.bias")
  }

  package var sizes: [NamedSize] {
    let layer = "encoder.layer.*.output.dense.weight"
    return [
      NamedSize(
        key: "vocab_size", size: vocabularySize, tensor: "embeddings.word_embeddings.weight", dimension: 0),
      NamedSize(key: "hidden_size", size: hiddenSize, tensor: "embeddings.word_embeddings.weight", dimension: 1),
      NamedSize(
        key: "max_position_embeddings", size: maximumPositions, tensor: "embeddings.position_embeddings.weight",
        dimension: 0),
      NamedSize(
        key: "type_vocab_size", size: segmentCount, tensor: "embeddings.token_type_embeddings.weight", dimension: 0),
      NamedSize(
        key: "intermediate_size", size: intermediateSize, tensor: "encoder.layer.0.intermediate.dense.weight",
        dimension: 0),
      NamedSize(key: "num_hidden_layers", size: layerCount, tensor: layer, dimension: nil),
    ]
  }

  package func body(_ builder: ModelBuilder, at prefix: String) throws -> any Body {
    try BertBody(self, builder, prefix)
  }

  package func pooler(_ builder: ModelBuilder, at prefix: String) throws {
    _ = try square(builder, "\(prefix)pooler.dense")
  }

  package func head(_ builder: ModelBuilder, at prefix: String) throws -> (any Head)? {
    BertHead(
      dropsInput: hasDenseHead, dense: try square(builder, hasDenseHead ? "classifier.dense" : "\(prefix)pooler.dense"))
  }

  private func square(_ builder: ModelBuilder, _ name: String) throws -> LinearLayer {
    try builder.linear(name, hiddenSize, hiddenSize, deviation: initializerRange)
  }
}

/// tanh of a linear map of the first token's last hidden state.
private struct BertHead: Head {
  /// RoBERTa's own head has dropout before this map, too.
  let dropsInput: Bool
  let dense: LinearLayer  // [hidden, hidden]

  func forward(_ x: Variable, rows: Rows, on tape: Tape, _ dropout: Dropouts) -> Variable {
    let read = dropsInput ? tape.dropout(x, dropout.head, rows: rows) : x
    return dense(read, .tanh, rows: rows, on: tape)
  }
}
