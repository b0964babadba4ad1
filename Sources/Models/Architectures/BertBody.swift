/// BERT and its kin from token ids to the last hidden states.
import Tensors

/// Post-norm: each block's output is added to its input, and the sum normalised.
final class BertBody: Body {
  private let sizes: Bert
  private let word: Weight  // [vocabulary, hidden]
  private let position: Weight  // [positions, hidden]
  private let segment: Weight?  // [segments, hidden]
  private let bias: Weight?  // [distances' buckets, heads]; all layers share it
  private let norm: Norm
  private let layers: [BertLayer]

  init(_ sizes: Bert, _ builder: ModelBuilder, _ prefix: String) throws {
    self.sizes = sizes
    let width = sizes.hiddenSize
    func table(_ name: String, _ rows: Int, zeroRow: Int? = nil) throws -> Weight {
      try builder.table(
        "\(prefix)embeddings.\(name)_embeddings.weight", rows, width,
        .normal(deviation: sizes.initializerRange, zeroRow: zeroRow))
    }
    word = try table("word", sizes.vocabularySize, zeroRow: sizes.paddingID)
    position = try table("position", sizes.maximumPositions, zeroRow: sizes.firstPosition > 0 ? sizes.paddingID : nil)
    segment = sizes.hasSegments ? try table("token_type", sizes.segmentCount) : nil
    norm = try builder.norm("\(prefix)embeddings.LayerNorm", width, eps: sizes.layerNormEpsilon)
    layers = try (0..<sizes.layerCount).map { try BertLayer(sizes, builder, "\(prefix)encoder.layer.\($0)") }
    bias =
      sizes.biasCount == 0
      ? nil
      : try builder.table(
        "\(prefix)encoder.relative_attention_bias.weight", sizes.biasCount, sizes.headCount,
        .normal(deviation: sizes.initializerRange))
  }

  func forward(_ batch: PackedBatch, asked: AskedTokens, on tape: Tape, _ dropout: Dropouts) throws -> Variable {
    try check(batch)
    let rows = batch.tokenRows
    let embedded = tape.embedding(
      [(word, batch.ids)] + (segment.map { [($0, segments(batch))] } ?? []) + [(position, positions(batch))])
    let bias = bias.map { tape.embedding([($0, RelativeDistance.buckets(batch, $0.rows))]) }
    var hidden = norm(embedded, rows: rows, on: tape)
    hidden = tape.dropout(hidden, dropout.hidden, rows: rows)
    for (index, layer) in layers.enumerated() {
      let asked = index == layers.count - 1 ? asked : .all
      hidden = layer.forward(hidden, batch, rows, asked, bias, on: tape, dropout)
    }
    return hidden
  }

  /// Where there is one segment all tokens are in it: tokenizers of BERT, which some RoBERTas have, number two.
  private func segments(_ batch: PackedBatch) -> [Int32] {
    sizes.segmentCount == 1 ? batch.typeIDs.map { _ in 0 } : batch.typeIDs
  }

  /// RoBERTa's own code does not count padding that stands among other tokens: its place is the padding's id.
  private func positions(_ batch: PackedBatch) -> [Int32] {
    guard sizes.firstPosition > 0 else { return batch.positions }
    let padding = Int32(sizes.paddingID)
    return (0..<batch.count).flatMap { sequence in
      var last = padding
      return batch.ids[batch.offsets[sequence]..<batch.offsets[sequence + 1]].map { id in
        if id == padding { return padding }
        last += 1
        return last
      }
    }
  }

  private func check(_ batch: PackedBatch) throws {
    try batch.check(most: sizes.maxTokens, rows: sizes.vocabularySize)
    let segments = 0..<Int32(sizes.segmentCount)
    guard segments.count > 1, let token = batch.typeIDs.firstIndex(where: { !segments.contains($0) }) else { return }
    throw ModelError.unknownSegment(
      sequence: batch.offsets.lastIndex { $0 <= token } ?? 0, id: batch.typeIDs[token], rows: sizes.segmentCount)
  }
}

private final class BertLayer {
  private let sizes: Bert
  private let query, key, value: LinearLayer  // [hidden, hidden]
  private let attentionOutput: LinearLayer  // [hidden, hidden]
  private let attentionNorm: Norm
  private let intermediate: LinearLayer  // [inner, hidden]
  private let output: LinearLayer  // [hidden, inner]
  private let outputNorm: Norm

  init(_ sizes: Bert, _ builder: ModelBuilder, _ name: String) throws {
    self.sizes = sizes
    let (width, inner) = (sizes.hiddenSize, sizes.intermediateSize)
    func linear(_ part: String, _ out: Int, _ into: Int) throws -> LinearLayer {
      try builder.linear("\(name).\(part)", out, into, deviation: sizes.initializerRange)
    }
    func norm(_ part: String) throws -> Norm {
      try builder.norm("\(name).\(part)", width, eps: sizes.layerNormEpsilon)
    }
    let isMPNet = sizes.kind == .mpnet
    query = try linear(isMPNet ? "attention.attn.q" : "attention.self.query", width, width)
    key = try linear(isMPNet ? "attention.attn.k" : "attention.self.key", width, width)
    value = try linear(isMPNet ? "attention.attn.v" : "attention.self.value", width, width)
    attentionOutput = try linear(isMPNet ? "attention.attn.o" : "attention.output.dense", width, width)
    attentionNorm = try norm(isMPNet ? "attention.LayerNorm" : "attention.output.LayerNorm")
    intermediate = try linear("intermediate.dense", inner, width)
    output = try linear("output.dense", width, inner)
    outputNorm = try norm("output.LayerNorm")
  }

  /// x [T, hidden] → [T, hidden], or of the tokens asked for
  func forward(
    _ x: Variable, _ batch: PackedBatch, _ tokens: Rows, _ asked: AskedTokens, _ bias: Variable?, on tape: Tape,
    _ dropout: Dropouts
  ) -> Variable {
    let (read, rows) = tape.rows(asked, of: x, tokens, batch)
    let context = tape.attention(
      query(read, forAttention: true, rows: rows, on: tape), key(x, forAttention: true, rows: tokens, on: tape),
      value(x, forAttention: true, rows: tokens, on: tape),
      heads: sizes.headCount, asked: asked, bias: bias, batch: batch, dropout: dropout.attention)
    let attended = tape.dropout(attentionOutput(context, rows: rows, on: tape), dropout.hidden, rows: rows)
    let middle = attentionNorm(attended, residual: read, rows: rows, on: tape)
    let inner = intermediate(middle, sizes.activation, rows: rows, on: tape)
    let result = tape.dropout(output(inner, rows: rows, on: tape), dropout.hidden, rows: rows)
    return outputNorm(result, residual: middle, rows: rows, on: tape)
  }
}
