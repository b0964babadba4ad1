/// What operations need to know of a matrix's rows, besides their number.

/// The tokens of each sequence of which something is computed.
package enum AskedTokens: Sendable {
  case all, first, last

  /// Their places in a sequence of so many tokens.
  package func places(of length: Int) -> Range<Int> {
    switch self {
    case .all: 0..<length
    case .first: 0..<1
    case .last: length - 1..<length
    }
  }
}

/// The rows of a matrix: tokens of a batch, or its sequences.
package struct Rows {
  /// Names a row to dropout. Its layout is that of the kernels' `retort_row`.
  package struct Key {
    package let sequence: UInt64
    /// Its place in the sequence.
    package let position: UInt32

    package init(sequence: UInt64, position: UInt32) { (self.sequence, self.position) = (sequence, position) }
  }
  package let keys: [Key]
  /// Ranges of rows whose gradients are summed alone, in this order.
  package let chunks: [Range<Int>]

  package var count: Int { keys.count }

  /// Some of the rows, in their order; chunks without any are gone.
  package func chosen(_ places: [Int]) -> Rows {
    var (end, parts): (Int, [Range<Int>]) = (0, [])
    for chunk in chunks {
      let start = end
      while end < places.count, places[end] < chunk.upperBound { end += 1 }
      if start < end { parts.append(start..<end) }
    }
    precondition(end == places.count, "places in order, each of a row")
    return Rows(keys: places.map { keys[$0] }, chunks: parts)
  }
}

extension PackedBatch {
  /// The tokens as rows.
  package var tokenRows: Rows { rows(of: .all) }

  /// Some of the tokens as rows.
  package func rows(of asked: AskedTokens) -> Rows {
    var keys: [Rows.Key] = []
    keys.reserveCapacity(asked == .all ? tokens : count)
    for index in 0..<count {
      for place in asked.places(of: offsets[index + 1] - offsets[index]) {
        keys.append(Rows.Key(sequence: sequenceKeys[index], position: UInt32(past[index] + place)))
      }
    }
    return Rows(keys: keys, chunks: asked == .all ? tokenChunks : chunks)
  }

  /// Each token's place in its sequence, from 0.
  package var positions: [Int32] { tokenRows.keys.map { Int32($0.position) } }

  /// The sequences as rows.
  package var sequenceRows: Rows {
    Rows(keys: sequenceKeys.map { Rows.Key(sequence: $0, position: 0) }, chunks: chunks)
  }
}
