/// BERT (Devlin et al. 2019): its sizes and constants, as `config.json` names them, and its weights, as transformers does.
import Tensors

package struct Bert: Architecture, Hashable {
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
  /// Standard deviation of new weights.
  package var initializerRange: Float
  package var paddingID: Int

  package init(
    vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
    maximumPositions: Int = 512, segmentCount: Int = 2, layerNormEpsilon: Float = 1e-12, hiddenDropout: Float = 0.1,
    attentionDropout: Float = 0.1, initializerRange: Float = 0.02, paddingID: Int = 0
  ) {
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
  package static let modelTypes = ["bert"]
  package static let classes = (encoder: "BertModel", classifier: "BertForSequenceClassification")
  package static let prefix = "bert."

  package var width: Int { hiddenSize }
  package var maxTokens: Int { maximumPositions }

  package var sizes: [NamedSize] {
    let layer = "encoder.layer.*.attention.self.query.weight"
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

  package func pooler(_ builder: ModelBuilder, at prefix: String) throws -> LinearLayer? {
    try builder.linear("\(prefix)pooler.dense", hiddenSize, hiddenSize, deviation: initializerRange)
  }

  package func head(_ builder: ModelBuilder, at prefix: String) throws -> any Head {
    BertHead(
      dense: try builder.linear("\(prefix)pooler.dense", hiddenSize, hiddenSize, deviation: initializerRange))
  }

  package func classifier(_ builder: ModelBuilder) throws -> LinearLayer {
    try builder.linear("classifier", 1, hiddenSize, deviation: initializerRange)
  }
}

/// tanh of a linear map of the first token's last hidden state.
private struct BertHead: Head {
  let dense: LinearLayer  // [hidden, hidden]

  func forward(_ x: Variable, rows: Rows, on tape: Tape, _ dropout: Dropouts) -> Variable {
    dense(x, .tanh, rows: rows, on: tape)
  }
}
