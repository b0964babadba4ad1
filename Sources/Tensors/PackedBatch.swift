/// Sequences laid end to end: no padding is ever computed.

/// T tokens of B sequences. Operations see `tokens [T, width]` and the offsets.
package struct PackedBatch: Sendable {
  package let ids: [Int32]  // [T]
  /// Segment of each token: 0, or 1 for the second text of a pair.
  package let typeIDs: [Int32]  // [T]
  package let offsets: [Int]  // [B + 1]
  /// Tokens of each sequence that came before those here: their keys and values stand in front of the sequence's own.
  package let past: [Int]  // [B]
  /// Where each sequence's keys and values begin, those of its past included.
  package let keyOffsets: [Int]  // [B + 1]
  /// Consecutive ranges of sequences; the gradients of each are summed alone and added in this order.
  package let chunks: [Range<Int>]
  /// Names each sequence to dropout: a sequence under the same key, seed and step meets the same mask.
  package let sequenceKeys: [UInt64]  // [B]
  /// Tokens at the front of each sequence that pooling leaves out: a prompt's.
  package let unpooled: [Int]  // [B]

  /// Sequences must not be empty. `typeIDs`, `unpooled` and `past` default to 0, `sequenceKeys` to 0, 1, …; the last chunk may be
  /// smaller.
  package init(
    _ sequences: [[Int32]], typeIDs: [[Int32]]? = nil, chunkSize: Int = 8, sequenceKeys: [UInt64]? = nil,
    unpooled: [Int]? = nil, past: [Int]? = nil
  ) {
    let count = sequences.count
    self.init(
      ids: sequences.flatMap { $0 },
      typeIDs: typeIDs.map { $0.flatMap { $0 } } ?? Array(repeating: 0, count: sequences.reduce(0) { $0 + $1.count }),
      offsets: sequences.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      chunks: stride(from: 0, to: count, by: chunkSize).map { $0..<min($0 + chunkSize, count) },
      sequenceKeys: sequenceKeys ?? (0..<UInt64(count)).map { $0 },
      unpooled: unpooled ?? Array(repeating: 0, count: count), past: past ?? Array(repeating: 0, count: count))
  }

  package init(
    ids: [Int32], typeIDs: [Int32], offsets: [Int], chunks: [Range<Int>], sequenceKeys: [UInt64], unpooled: [Int],
    past: [Int]
  ) {
    precondition(ids.count == typeIDs.count && offsets.first == 0 && offsets.last == ids.count, "offsets of the ids")
    precondition(zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 }, "a sequence without tokens")
    precondition(sequenceKeys.count == offsets.count - 1, "one key for each sequence")
    precondition(
      unpooled.count == offsets.count - 1
        && zip(unpooled, zip(offsets, offsets.dropFirst())).allSatisfy { $0 >= 0 && $0 < $1.1 - $1.0 },
      "a sequence without a token to pool")
    precondition(past.count == offsets.count - 1 && past.allSatisfy { $0 >= 0 }, "one past for each sequence")
    precondition(chunks.flatMap { $0 }.elementsEqual(0..<(offsets.count - 1)), "chunks in order, covering all")
    self.ids = ids
    self.typeIDs = typeIDs
    self.offsets = offsets
    self.chunks = chunks
    self.sequenceKeys = sequenceKeys
    self.unpooled = unpooled
    self.past = past
    var before = 0
    keyOffsets = zip(offsets, [0] + past).map { offset, tokens in
      before += tokens
      return offset + before
    }
  }

  /// Number of tokens, T.
  package var tokens: Int { ids.count }
  /// Number of sequences, B.
  package var count: Int { offsets.count - 1 }
  /// Token counts of some of the sequences.
  package func tokens(of sequences: Range<Int>) -> [Int] { sequences.map { offsets[$0 + 1] - offsets[$0] } }
  /// The tokens of a sequence that are pooled.
  package func pooled(_ sequence: Int) -> Range<Int> {
    offsets[sequence] + unpooled[sequence]..<offsets[sequence + 1]
  }
  /// Tokens of the longest sequence, its past included.
  package var longest: Int { zip(keyOffsets, keyOffsets.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) } }
  /// Number of keys and values: the tokens and those that came before.
  package var keys: Int { keyOffsets[count] }
  /// The chunks as ranges of tokens.
  package var tokenChunks: [Range<Int>] { chunks.map { offsets[$0.lowerBound]..<offsets[$0.upperBound] } }

  /// Whole chunks of this batch, as a batch of its own: a micro-batch.
  package func microBatch(_ range: Range<Int>) -> PackedBatch {
    let sequences = chunks[range].first!.lowerBound..<chunks[range].last!.upperBound
    let tokens = offsets[sequences.lowerBound]..<offsets[sequences.upperBound]
    return PackedBatch(
      ids: Array(ids[tokens]), typeIDs: Array(typeIDs[tokens]),
      offsets: offsets[sequences.lowerBound...sequences.upperBound].map { $0 - tokens.lowerBound },
      chunks: chunks[range].map { ($0.lowerBound - sequences.lowerBound)..<($0.upperBound - sequences.lowerBound) },
      sequenceKeys: Array(sequenceKeys[sequences]), unpooled: Array(unpooled[sequences]), past: Array(past[sequences]))
  }
}
