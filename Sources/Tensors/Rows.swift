/// What operations need to know of a matrix's rows, besides their number.
import CKernels

/// The rows of a matrix: tokens of a batch, or its sequences.
package struct Rows {
  /// Which sequence, and which place in it, each row is: for dropout.
  let keys: [retort_row]
  /// Ranges of rows whose gradients are summed alone, in this order.
  let chunks: [Range<Int>]

  var count: Int { keys.count }
}

extension PackedBatch {
  /// The tokens as rows.
  package var tokenRows: Rows {
    var keys: [retort_row] = []
    keys.reserveCapacity(tokens)
    for index in 0..<count {
      for place in 0..<UInt32(offsets[index + 1] - offsets[index]) {
        keys.append(retort_row(sequence: sequenceKeys[index], position: place))
      }
    }
    return Rows(keys: keys, chunks: tokenChunks)
  }

  /// The sequences as rows.
  package var sequenceRows: Rows {
    Rows(keys: sequenceKeys.map { retort_row(sequence: $0, position: 0) }, chunks: chunks)
  }
}
