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

  /// → hidden states [T, hidden]; with `first`, of each sequence's first token alone [B, hidden], the last layer computing
  /// of the others no more than their keys and values
  func forward(
    _ batch: PackedBatch, first: Bool = false, on tape: Tape, _ dropout: BertDropout
  ) throws -> Variable {
    try check(batch)
    let rows = batch.tokenRows
    let embedded = tape.embedding(batch, word: word, position: position, segment: segment)
    var hidden = norm(embedded, rows: rows, on: tape, config)
    hidden = tape.dropout(hidden, dropout.hidden, rows: rows)
    for (index, layer) in layers.enumerated() {
      let first = first && index == layers.count - 1
      hidden = layer.forward(hidden, batch, rows, first: first, on: tape, config, dropout)
    }
    return hidden
  }

  private func check(_ batch: PackedBatch) throws {
    for sequence in 0..<batch.count {
      let tokens = batch.offsets[sequence]..<batch.offsets[sequence + 1]
      guard tokens.count <= config.maximumPositions else {
        throw ModelError.tooLong(sequence: sequence, tokens: tokens.count, limit: config.maximumPositions)
      }
      if let id = batch.ids[tokens].first(where: { !(0..<Int32(config.vocabularySize)).contains($0) }) {
        throw ModelError.unknownToken(sequence: sequence, id: id, rows: config.vocabularySize)
      }
      if let id = batch.typeIDs[tokens].first(where: { !(0..<Int32(config.segmentCount)).contains($0) }) {
        throw ModelError.unknownSegment(sequence: sequence, id: id, rows: config.segmentCount)
      }
    }
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

  /// x [T, hidden] → [T, hidden]; with `first`, of each sequence's first token alone [B, hidden]
  func forward(
    _ x: Variable, _ batch: PackedBatch, _ tokens: Rows, first: Bool, on tape: Tape, _ config: BertConfig,
    _ dropout: BertDropout
  ) -> Variable {
    let (asked, rows) = first ? (tape.pool(x, .cls, batch: batch), batch.sequenceRows) : (x, tokens)
    let context = tape.attention(
      query(asked, rows: rows, on: tape), key(x, rows: tokens, on: tape), value(x, rows: tokens, on: tape),
      heads: config.headCount, first: first, batch: batch, dropout: dropout.attention)
    let attended = tape.dropout(attentionOutput(context, rows: rows, on: tape), dropout.hidden, rows: rows)
    let middle = attentionNorm(attended, residual: asked, rows: rows, on: tape, config)
    let inner = intermediate(middle, config.activation, rows: rows, on: tape)
    let result = tape.dropout(output(inner, rows: rows, on: tape), dropout.hidden, rows: rows)
    return outputNorm(result, residual: middle, rows: rows, on: tape, config)
  }
}

struct NormLayer {
  let gamma, beta: Weight  // [hidden]

  init(_ name: String, _ source: WeightSource) throws {
    gamma = try source.weight("\(name).weight")
    beta = try source.weight("\(name).bias")
  }

  func callAsFunction(
    _ x: Variable, residual: Variable? = nil, rows: Rows, on tape: Tape, _ config: BertConfig
  ) -> Variable {
    tape.layerNorm(x, residual: residual, rows: rows, gamma: gamma, beta: beta, eps: config.layerNormEpsilon)
  }
}
