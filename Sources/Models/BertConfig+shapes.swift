/// Which tensors a BERT model consists of.

extension BertConfig {
  package typealias NamedShape = (name: String, shape: [Int])

  /// Every weight of the encoder with its shape, without prefix and without the pooler.
  package var encoderShapes: [NamedShape] {
    var shapes: [NamedShape] = [
      ("embeddings.word_embeddings.weight", [vocabularySize, hiddenSize]),
      ("embeddings.position_embeddings.weight", [maximumPositions, hiddenSize]),
      ("embeddings.token_type_embeddings.weight", [segmentCount, hiddenSize]),
    ]
    shapes += norm("embeddings.LayerNorm")
    for layer in (0..<layerCount).map({ "encoder.layer.\($0)" }) {
      for part in ["query", "key", "value"] {
        shapes += linear("\(layer).attention.self.\(part)", hiddenSize, hiddenSize)
      }
      shapes += linear("\(layer).attention.output.dense", hiddenSize, hiddenSize)
      shapes += norm("\(layer).attention.output.LayerNorm")
      shapes += linear("\(layer).intermediate.dense", intermediateSize, hiddenSize)
      shapes += linear("\(layer).output.dense", hiddenSize, intermediateSize)
      shapes += norm("\(layer).output.LayerNorm")
    }
    return shapes
  }

  /// Every weight of the cross-encoder with one label, with its shape.
  package var crossEncoderShapes: [NamedShape] { crossEncoderShapes(.pooler) }

  package func crossEncoderShapes(_ head: CrossEncoderHead) -> [NamedShape] {
    encoderShapes.map { ("bert.\($0.name)", $0.shape) }
      + (head == .pooler ? linear("bert.pooler.dense", hiddenSize, hiddenSize) : [])
      + linear("classifier", 1, hiddenSize)
  }

  private func linear(_ name: String, _ out: Int, _ width: Int) -> [NamedShape] {
    [("\(name).weight", [out, width]), ("\(name).bias", [out])]
  }

  private func norm(_ name: String) -> [NamedShape] {
    [("\(name).weight", [hiddenSize]), ("\(name).bias", [hiddenSize])]
  }
}
