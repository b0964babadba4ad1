/// Decoders from token ids to the last hidden states.
import Tensors

/// Pre-norm: each part of a layer reads the normalised states and is added to them.
final class DecoderBody: Body {
  private let sizes: Decoder
  let embedding: Weight  // [vocabulary, hidden]
  private let layers: [DecoderLayer]
  private let norm: Norm
  var maxTokens: Int { sizes.maxTokens }

  init(_ sizes: Decoder, _ builder: ModelBuilder, _ prefix: String) throws {
    self.sizes = sizes
    embedding = try builder.table(
      "\(prefix)embed_tokens.weight", sizes.vocabularySize, sizes.hiddenSize,
      .normal(deviation: sizes.initializerRange))
    layers = try (0..<sizes.layerCount).map { try DecoderLayer(sizes, $0, builder, "\(prefix)layers.\($0)") }
    norm = try builder.norm(
      "\(prefix)norm", sizes.hiddenSize, .rootMeanSquare, hasBias: false, shift: sizes.normShift,
      eps: sizes.normEpsilon)
  }

  func forward(_ batch: PackedBatch, asked: AskedTokens, on tape: Tape, _ dropout: Dropouts) throws -> Variable {
    try forward(batch, asked: asked, nil, on: tape, dropout)
  }

  /// → hidden states [T, width], or of the tokens asked for
  func forward(
    _ batch: PackedBatch, asked: AskedTokens, _ memory: KeyValues?, on tape: Tape, _ dropout: Dropouts
  ) throws -> Variable {
    try batch.check(most: sizes.maxTokens, rows: sizes.vocabularySize)
    let rows = batch.tokenRows
    let rotations = rotations(batch, on: tape.device)
    memory?.begin(
      batch, layers: sizes.layerCount, width: sizes.keyValueHeadCount * sizes.headWidth, on: tape.device)
    var hidden = tape.embedding([(embedding, batch.ids)])
    if sizes.embeddingScale != 1 { hidden = tape.scale(hidden, by: sizes.embeddingScale) }
    hidden = tape.dropout(hidden, dropout.hidden, rows: rows)
    for (index, layer) in layers.enumerated() {
      let asked = index == layers.count - 1 ? asked : .all
      hidden = layer.forward(hidden, batch, rows, asked, rotations[index], memory, on: tape, dropout)
    }
    memory?.end(batch)
    return norm(hidden, rows: asked == .all ? rows : batch.rows(of: asked), on: tape)
  }

  /// Those made last for sequences with a past: the next of their tokens needs the same.
  private var kept: (positions: Int, made: [Rotation])?

  private func rotations(_ batch: PackedBatch, on device: any Device) -> [Rotation] {
    let (pattern, width, longest) = (sizes.pattern, sizes.headWidth, batch.longest)
    guard batch.keys > batch.tokens else { return pattern.rotations(width: width, positions: longest, on: device) }
    if let kept, kept.positions >= longest, kept.made.first?.cosines.device === device { return kept.made }
    let positions = min(sizes.maxTokens, longest.nextPowerOfTwo)
    let made = pattern.rotations(width: width, positions: positions, on: device)
    kept = (positions, made)
    return made
  }
}

extension Int {
  /// The least power of two that is not below it.
  fileprivate var nextPowerOfTwo: Int { self < 2 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}

extension LayerPattern {
  /// Each layer's rotation; layers of one type share one.
  func rotations(width: Int, positions: Int, on device: any Device) -> [Rotation] {
    let made = Set(isLocal).map { isLocal in
      let frequencies = (isLocal ? local : global).frequencies(width: width)
      return (isLocal, Rotation(frequencies, positions: positions, on: device))
    }
    let byType = Dictionary(uniqueKeysWithValues: made)
    return isLocal.compactMap { byType[$0] }
  }
}

private final class DecoderLayer {
  private let sizes: Decoder
  private let sight: Sight
  private let query, output: LinearLayer  // [heads·d, hidden], [hidden, heads·d]
  private let key, value: LinearLayer  // [keyValueHeads·d, hidden]
  private let queryNorm, keyNorm: Norm?  // of d
  private let gate, up, down: LinearLayer  // [inner, hidden] twice, [hidden, inner]
  private let attentionNorm, innerNorm: Norm
  private let attentionOutputNorm, innerOutputNorm: Norm?

  init(_ sizes: Decoder, _ index: Int, _ builder: ModelBuilder, _ name: String) throws {
    self.sizes = sizes
    sight = sizes.sight(ofLayer: index)
    func linear(_ part: String, _ out: Int, _ into: Int, _ hasBias: Bool) throws -> LinearLayer {
      try builder.linear("\(name).\(part)", out, into, hasBias: hasBias, deviation: sizes.initializerRange)
    }
    func norm(_ part: String, _ width: Int) throws -> Norm {
      try builder.norm(
        "\(name).\(part)", width, .rootMeanSquare, hasBias: false, shift: sizes.normShift, eps: sizes.normEpsilon)
    }
    let (hidden, inner) = (sizes.hiddenSize, sizes.intermediateSize)
    let (queries, keys) = (sizes.headCount * sizes.headWidth, sizes.keyValueHeadCount * sizes.headWidth)
    query = try linear("self_attn.q_proj", queries, hidden, sizes.hasQueryBias)
    key = try linear("self_attn.k_proj", keys, hidden, sizes.hasQueryBias)
    value = try linear("self_attn.v_proj", keys, hidden, sizes.hasQueryBias)
    output = try linear("self_attn.o_proj", hidden, queries, sizes.hasOutputBias)
    queryNorm = sizes.normalisesHeads ? try norm("self_attn.q_norm", sizes.headWidth) : nil
    keyNorm = sizes.normalisesHeads ? try norm("self_attn.k_norm", sizes.headWidth) : nil
    gate = try linear("mlp.gate_proj", inner, hidden, sizes.hasInnerBias)
    up = try linear("mlp.up_proj", inner, hidden, sizes.hasInnerBias)
    down = try linear("mlp.down_proj", hidden, inner, sizes.hasInnerBias)
    attentionNorm = try norm("input_layernorm", hidden)
    // The same name stands before the feed-forward part or, where outputs are normalised, behind attention.
    let middle = try norm("post_attention_layernorm", hidden)
    (innerNorm, attentionOutputNorm) =
      sizes.normalisesOutputs ? (try norm("pre_feedforward_layernorm", hidden), middle) : (middle, nil)
    innerOutputNorm = sizes.normalisesOutputs ? try norm("post_feedforward_layernorm", hidden) : nil
  }

  /// x [T, hidden] → [T, hidden], or of the tokens asked for
  func forward(
    _ x: Variable, _ batch: PackedBatch, _ tokens: Rows, _ asked: AskedTokens, _ rotation: Rotation,
    _ memory: KeyValues?, on tape: Tape,
    _ dropout: Dropouts
  ) -> Variable {
    let (own, rows) = tape.rows(asked, of: x, tokens, batch)
    func turned(_ layer: LinearLayer, _ norm: Norm?, _ x: Variable, _ rows: Rows) -> Variable {
      let states = layer(x, rows: rows, on: tape)
      return tape.rotate(norm?(states, rows: rows, on: tape) ?? states, rotation, rows: rows)
    }
    func added(_ part: Variable, _ norm: Norm?, to x: Variable) -> Variable {
      let output = norm?(part, rows: rows, on: tape) ?? part
      return tape.sum(x, tape.dropout(output, dropout.hidden, rows: rows))
    }
    let read = attentionNorm(x, rows: tokens, on: tape)
    // Queries come before keys: adapters' dropout sites are numbered in this order.
    let queries = turned(query, queryNorm, tape.rows(asked, of: read, tokens, batch).x, rows)
    let keys = turned(key, keyNorm, read, tokens)
    let values = value(read, forAttention: true, rows: tokens, on: tape)
    let context = tape.attention(
      queries, keys, values, heads: sizes.headCount, keyValueHeads: sizes.keyValueHeadCount, sight: sight, asked: asked,
      batch: batch, behind: memory?.next(keys, values, batch), dropout: dropout.attention, scale: sizes.scoreScale)
    let attended = added(output(context, rows: rows, on: tape), attentionOutputNorm, to: own)
    let middle = innerNorm(attended, rows: rows, on: tape)
    let inner = tape.gate(sizes.activation, gate(middle, rows: rows, on: tape), up(middle, rows: rows, on: tape))
    return added(down(inner, rows: rows, on: tape), innerOutputNorm, to: attended)
  }
}
