/// Sizes and constants of a BERT model, as `config.json` names them.
import Tensors

package struct BertConfig: Sendable, Hashable {
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
