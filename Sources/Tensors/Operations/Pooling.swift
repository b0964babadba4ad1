/// One vector for each sequence out of its tokens' vectors: for each mode a weighted sum of them or their maximum, the
/// modes' results side by side. Tokens of a prompt may be left out.
/// x [T, width] → y [B, modes·width]. Backward: of each mode a token's row gets its weight times dy; of the maximum it
/// gets dy where it is the first to have it.

package enum PoolingMode: String, Sendable, CaseIterable {
  case mean, cls
  case lastToken = "last_token"
  case max
  /// The sum over √length.
  case meanSqrtLength = "mean_sqrt_len_tokens"
  /// The n-th token of the sequence counts n times, those of a prompt included in n.
  case weightedMean = "weightedmean"

  /// The runs of tokens that y is the sum of, and by what each is multiplied; none of `max`.
  /// - Parameters:
  ///   - tokens: those that take part, not none.
  ///   - first: where their sequence begins.
  package func shares(_ tokens: Range<Int>, from first: Int) -> [(tokens: Range<Int>, weight: Double)] {
    let count = Double(tokens.count)
    switch self {
    case .cls: return [(tokens.prefix(1), 1)]
    case .lastToken: return [(tokens.suffix(1), 1)]
    case .mean: return [(tokens, 1 / count)]
    case .meanSqrtLength: return [(tokens, 1 / count.squareRoot())]
    case .weightedMean:
      let total = tokens.reduce(0.0) { $0 + Double($1 - first + 1) }
      return tokens.map { ($0..<$0 + 1, Double($0 - first + 1) / total) }
    case .max: return []
    }
  }
}

extension AskedTokens {
  /// The tokens that pooling reads.
  package init(_ pooling: [PoolingMode], in batch: PackedBatch) {
    switch pooling {
    case [.lastToken]: self = .last
    case [.cls] where batch.unpooled.allSatisfy { $0 == 0 }: self = .first
    default: self = .all
    }
  }
}

extension Tape {
  /// The rows of tokens that are asked for, out of those of all `tokens`.
  package func rows(
    _ asked: AskedTokens, of x: Variable, _ tokens: Rows, _ batch: PackedBatch
  ) -> (x: Variable, rows: Rows) {
    switch asked {
    case .all: (x, tokens)
    case .first: (pool(x, [.cls], batch: batch), batch.rows(of: .first))
    case .last: (pool(x, [.lastToken], batch: batch), batch.rows(of: .last))
    }
  }

  package func pool(_ x: Variable, _ modes: [PoolingMode], batch: PackedBatch) -> Variable {
    let (device, below) = (device, x.gradient)
    let (y, maxima) = Profile.measure(.pooling) { device.pool(x.value, modes, batch) }
    return record(y, needed: below != nil, as: .pooling) { below?.add(device.poolBackward($0, modes, batch, maxima)) }
  }
}
