/// For each sequence and head: out = dropout(softmax(s·q·kᵀ + bias))·v (Vaswani et al. 2017), s = 1/√d unless a model has
/// its own, in blocks with online softmax;
/// backward recomputes the probabilities from their logarithmic sums (Dao et al. 2023), so memory is linear in T.
/// Consecutive heads of queries may share one of keys and values (Ainslie et al. 2023).
/// The bias, perhaps none, is a number for each distance of a key behind its query (Raffel et al. 2020).
/// q, out [T, heads·d], or of each sequence's first or last token alone [B, heads·d]; k, v [K, keyValueHeads·d], K being T
/// and the tokens of the sequences' past; logarithmic sums [T or B, heads]; bias [chunks·(2L - 1), heads], L tokens being
/// the longest sequence, the same in all chunks, so that each has a gradient of its own.

/// Which keys a query sees, by their distance.
package struct Sight: Hashable, Sendable {
  /// How many tokens ahead of its own, and behind it; absent: all.
  package let before, after: Int?

  package init(before: Int? = nil, after: Int? = nil) { (self.before, self.after) = (before, after) }

  package static let all = Sight()
  /// A token sees itself and earlier ones only.
  package static let causal = Sight(after: 0)

  /// How many of a sequence's tokens its token `place` sees.
  fileprivate func count(at place: Int, of length: Int) -> Int {
    min(place, before ?? place) + 1 + min(length - 1 - place, after ?? length)
  }
}

/// What forward and backward share.
package struct AttentionPass {
  package let heads: Int
  package let keyValueHeads: Int
  package let sight: Sight
  /// By which scores are multiplied.
  package let scale: Float
  /// The tokens that q has rows of.
  package let asked: AskedTokens
  package let batch: PackedBatch
  /// A head's site is this one's and its index.
  package let dropout: DropoutSite?
  package let bias: Tensor?
  /// Whether backward is to give the bias's gradient.
  package let trainsBias: Bool
  /// Whether q, k and v are bf16 numbers, and products may round probabilities and gradients, too.
  package let rounds: Bool
  /// What sequences go on from, where k and v are of the batch's tokens alone.
  package let past: PastKeys?

  /// How many distances a key may have from a query: -(L - 1), …, L - 1.
  package var distances: Int { 2 * batch.longest - 1 }

  /// Pairs of a query and a key that it sees, of one head.
  fileprivate var pairs: Int {
    zip(batch.tokens(of: 0..<batch.count), batch.past).reduce(0) { pairs, sequence in
      let (tokens, past) = sequence
      let queries = asked.places(of: tokens)
      if sight == .all { return pairs + queries.count * (past + tokens) }
      return queries.reduce(pairs) { $0 + sight.count(at: past + $1, of: past + tokens) }
    }
  }
}

extension Variable {
  /// The value as it can be kept: backward recomputes forward's probabilities from that.
  fileprivate var rounded: Tensor {
    let device = value.device
    return isRounded || !device.precision.roundsAttention
      ? value : device.converted(device.converted(value, to: .bf16), to: .f32)
  }
}

extension Tape {
  /// `keyValueHeads`, all `heads` unless given, divide `heads`. A sequence with a past has no gradients.
  /// - Parameter past: absent: k and v have rows of the sequences' pasts, too.
  package func attention(
    _ q: Variable, _ k: Variable, _ v: Variable, heads: Int, keyValueHeads: Int? = nil,
    sight: Sight = .all, asked: AskedTokens = .all, bias: Variable? = nil, batch: PackedBatch,
    behind past: PastKeys? = nil, dropout p: Double = 0, scale: Float? = nil
  ) -> Variable {
    let keyValueHeads = keyValueHeads ?? heads
    precondition(
      q.value.columns % heads == 0 && heads % keyValueHeads == 0 && k.value.shape == v.value.shape
        && k.value.columns * heads == q.value.columns * keyValueHeads
        && q.value.rows == (asked == .all ? batch.tokens : batch.count)
        && k.value.rows == (past == nil ? batch.keys : batch.tokens),
      "attention of \(heads) heads in \(q.value.shape) to \(keyValueHeads) in \(k.value.shape) and \(v.value.shape)")
    let (device, kept, below) = (device, [q, k, v].map(\.kept), [q, k, v, bias].map { $0?.gradient })
    let pass = AttentionPass(
      heads: heads, keyValueHeads: keyValueHeads, sight: sight,
      scale: scale ?? 1 / Float(q.value.columns / heads).squareRoot(), asked: asked, batch: batch,
      dropout: dropoutSite(p, sites: heads), bias: bias?.value,
      trainsBias: bias?.gradient != nil, rounds: device.precision.roundsAttention, past: past)
    let needed = records && below.contains { $0 != nil }
    precondition(!needed || batch.keys == batch.tokens, "gradients of tokens with a past")
    // q·kᵀ and p·v; backward q·kᵀ again, dout·vᵀ and three products for dq, dk and dv.
    let product = 2 * q.value.columns * pass.pairs
    let (out, sums) = Profile.measure(.attentionForward, flops: 2 * product) {
      let inputs = [q, k, v].map(\.rounded)
      if needed { for (kept, input) in zip(kept, inputs) { kept.hold(input) } }
      return device.attention(inputs[0], inputs[1], inputs[2], pass, keeps: needed)
    }
    guard let sums else { return Variable(value: out, gradient: nil) }
    let result = Kept(out)
    return record(out, needed: needed, as: .attentionBackward, flops: 5 * product, kept: result) { gradient in
      let inputs = kept.map(\.value)
      let (dq, dk, dv, dbias) = device.attentionBackward(
        gradient, inputs[0], inputs[1], inputs[2], pass, out: result.value, sums: sums)
      for (gradient, arrived) in zip(below, [dq, dk, dv, dbias]) { if let arrived { gradient?.add(arrived) } }
    }
  }
}
