/// BERT from token ids to the last hidden states (Devlin et al. 2019; names as in transformers).
import Tensors

/// Post-norm: each block's output is added to its input, and the sum normalised.
final class BertBody {
  let config: BertConfig
  let word: Weight  // [vocabulary, hidden]
  let position: Weight  // [positions, hidden]
  let segment: Weight  // [segments, hidden]
  let norm: NormLayer
  let layers: [BertLayer]

  init(_ config: BertConfig, prefix: String, _ source: WeightSource) throws {
    self.config = config
    word = try source.weight("\(prefix)embeddings.word_embeddings.weight")
    position = try source.weight("\(prefix)embeddings.position_embeddings.weight")
    segment = try source.weight("\(prefix)embeddings.token_type_embeddings.weight")
    norm = try NormLayer("\(prefix)embeddings.LayerNorm", source)
    layers = try (0..<config.layerCount).map { try BertLayer("\(prefix)encoder.layer.\($0)", source) }
  }
}

final class BertLayer {
  let query, key, value: LinearLayer  // [hidden, hidden]
  let attentionOutput: LinearLayer  // [hidden, hidden]
  let attentionNorm: NormLayer
  let intermediate: LinearLayer  // [inner, hidden]
  let output: LinearLayer  // [hidden, inner]
  let outputNorm: NormLayer

  init(_ name: String, _ source: WeightSource) throws {
    query = try source.linear("\(name).attention.self.query")
    key = try source.linear("\(name).attention.self.key")
    value = try source.linear("\(name).attention.self.value")
    attentionOutput = try source.linear("\(name).attention.output.dense")
    attentionNorm = try NormLayer("\(name).attention.output.LayerNorm", source)
    intermediate = try source.linear("\(name).intermediate.dense")
    output = try source.linear("\(name).output.dense")
    outputNorm = try NormLayer("\(name).output.LayerNorm", source)
  }
}

struct NormLayer {
  let gamma, beta: Weight  // [hidden]

  init(_ name: String, _ source: WeightSource) throws {
    gamma = try source.weight("\(name).weight")
    beta = try source.weight("\(name).bias")
  }
}
