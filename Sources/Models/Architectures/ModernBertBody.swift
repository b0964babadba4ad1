/// ModernBERT from token ids to the last hidden states.
import Tensors

/// Pre-norm: each part of a layer reads the normalised states and is added to them.
final class ModernBertBody: Body {
  private let sizes: ModernBert
  private let embedding: Weight  // [vocabulary, hidden]
  private let embeddingNorm: Norm
  private let layers: [ModernBertLayer]
  private let norm: Norm

  init(_ sizes: ModernBert, _ builder: ModelBuilder, _ prefix: String) throws {
    self.sizes = sizes
    embedding = try builder.table(
      "\(prefix)embeddings.tok_embeddings.weight", sizes.vocabularySize, sizes.hiddenSize,
      .normal(deviation: sizes.initializerRange))
    embeddingNorm = try sizes.norm(builder, "\(prefix)embeddings.norm")
    layers = try (0..<sizes.layerCount).map { try ModernBertLayer(sizes, $0, builder, "\(prefix)layers.\($0)") }
    norm = try sizes.norm(builder, "\(prefix)final_norm")
  }

  func forward(_ batch: PackedBatch, asked: AskedTokens, on tape: Tape, _ dropout: Dropouts) throws -> Variable {
    try batch.check(most: sizes.maxTokens, rows: sizes.vocabularySize)
    let rows = batch.tokenRows
    let rotations = sizes.pattern.rotations(
      width: sizes.hiddenSize / sizes.headCount, positions: batch.longest, on: tape.device)
    var hidden = embeddingNorm(tape.embedding([(embedding, batch.ids)]), rows: rows, on: tape)
    hidden = tape.dropout(hidden, dropout.hidden, rows: rows)
    for (index, layer) in layers.enumerated() {
      let asked = index == layers.count - 1 ? asked : .all
      hidden = layer.forward(hidden, batch, rows, asked, rotations[index], on: tape, dropout)
    }
    return norm(hidden, rows: asked == .all ? rows : batch.rows(of: asked), on: tape)
  }
}

private final class ModernBertLayer {
  private let sizes: ModernBert
  private let sight: Sight
  private let attentionNorm: Norm?  // the first layer reads states that are normalised already
  private let innerNorm: Norm
  private let queryKeyValue, output: LinearLayer  // [3·hidden, hidden], [hidden, hidden]
  private let gateUp, down: LinearLayer  // [2·inner, hidden], [hidden, inner]

  init(_ sizes: ModernBert, _ index: Int, _ builder: ModelBuilder, _ name: String) throws {
    self.sizes = sizes
    sight = sizes.sight(ofLayer: index)
    let (hidden, inner) = (sizes.hiddenSize, sizes.intermediateSize)
    attentionNorm = index == 0 ? nil : try sizes.norm(builder, "\(name).attn_norm")
    queryKeyValue = try sizes.linear(builder, "\(name).attn.Wqkv", 3 * hidden, hidden, sizes.hasAttentionBias)
    output = try sizes.linear(builder, "\(name).attn.Wo", hidden, hidden, sizes.hasAttentionBias)
    innerNorm = try sizes.norm(builder, "\(name).mlp_norm")
    gateUp = try sizes.linear(builder, "\(name).mlp.Wi", 2 * inner, hidden, sizes.hasInnerBias)
    down = try sizes.linear(builder, "\(name).mlp.Wo", hidden, inner, sizes.hasInnerBias)
  }

  /// x [T, hidden] → [T, hidden], or of the tokens asked for
  func forward(
    _ x: Variable, _ batch: PackedBatch, _ tokens: Rows, _ asked: AskedTokens, _ rotation: Rotation, on tape: Tape,
    _ dropout: Dropouts
  ) -> Variable {
    let (own, rows) = tape.rows(asked, of: x, tokens, batch)
    func part(_ x: Variable, _ index: Int, _ width: Int) -> Variable {
      tape.columns(x, index * width..<(index + 1) * width)
    }
    func added(_ part: Variable, to x: Variable) -> Variable {
      tape.sum(x, tape.dropout(part, dropout.hidden, rows: rows))
    }
    let read = attentionNorm?(x, rows: tokens, on: tape) ?? x
    let joint = queryKeyValue(read, forAttention: true, rows: tokens, on: tape)
    let queries = tape.rows(asked, of: part(joint, 0, sizes.hiddenSize), tokens, batch).x
    let context = tape.attention(
      tape.rotate(queries, rotation, rows: rows),
      tape.rotate(part(joint, 1, sizes.hiddenSize), rotation, rows: tokens), part(joint, 2, sizes.hiddenSize),
      heads: sizes.headCount, sight: sight, asked: asked, batch: batch, dropout: dropout.attention)
    let attended = added(output(context, rows: rows, on: tape), to: own)
    let inner = gateUp(innerNorm(attended, rows: rows, on: tape), rows: rows, on: tape)
    let gated = tape.gate(
      sizes.activation, part(inner, 0, sizes.intermediateSize), part(inner, 1, sizes.intermediateSize))
    return added(down(gated, rows: rows, on: tape), to: attended)
  }
}
