/// The pairs of pieces that byte-pair encoding joins: one open-addressing table.
import JSONText

struct MergeTable: Sendable {
  /// What a pair becomes, and its place in the order of joining; negative: it is not joined.
  struct Merge: Sendable {
    var rank, id: Int32
    static let none = Merge(rank: -1, id: 0)
  }

  private struct Slot {
    var left, right: Int32
    var merge: Merge
  }

  /// The count is a power of two, at most half of it used. An empty slot's rank is negative.
  private var slots: [Slot] = []
  private var shift: UInt64 = 0
  /// A bit for each pair of characters that meet where two pieces are joined, by its hash; others may share it.
  private var borders: [UInt64] = []

  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge {
    slots.withUnsafeBufferPointer { slots in
      var place = place(left, right)
      while slots[place].merge.rank >= 0 {
        if slots[place].left == left, slots[place].right == right { return slots[place].merge }
        place = (place + 1) & (slots.count - 1)
      }
      return .none
    }
  }

  /// Whether the characters may meet where two pieces are joined.
  @inline(__always)
  func join(_ left: UInt32, _ right: UInt32) -> Bool {
    let bit = border(left, right)
    return borders[bit >> 6] >> UInt64(bit & 63) & 1 != 0
  }

  @inline(__always)
  private func border(_ left: UInt32, _ right: UInt32) -> Int {
    Int(truncatingIfNeeded: mixed(left, right) >> (shift - 3))
  }

  @inline(__always)
  private func place(_ left: Int32, _ right: Int32) -> Int {
    Int(truncatingIfNeeded: mixed(UInt32(bitPattern: left), UInt32(bitPattern: right)) >> shift)
  }

  /// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): the upper bits count.
  @inline(__always)
  private func mixed(_ left: UInt32, _ right: UInt32) -> UInt64 {
    let pair = UInt64(left) << 32 | UInt64(right)
    return (pair ^ pair >> 27) &* 0x9E37_79B9_7F4A_7C15
  }

  /// Reads the list of `"left right"` or `["left", "right"]` that `reader` is at. Of equal pairs the last counts.
  /// - Parameter prefix: how many bytes the second of a pair loses.
  init(_ reader: inout JSONReader, _ pieces: PieceTable, prefix: Int, _ fields: TokenizerFields) throws {
    var found: [Slot] = []
    var met: [(left: UInt32, right: UInt32)] = []
    met.reserveCapacity(1 << 16)
    found.reserveCapacity(1 << 16)
    var number = 0
    var pair: [UInt8] = []
    func invalid() -> TokenizerError {
      fields.invalid(
        "merges[\(number)]", found: "\"\(String(decoding: pair.prefix(80), as: UTF8.self))\"",
        expected: "two pieces of the vocabulary that are one together")
    }
    try reader.beginArray()
    while try reader.nextElement() {
      pair.removeAll(keepingCapacity: true)
      let middle: Int
      if reader.peek() == "[" {
        try reader.beginArray()
        guard try reader.nextElement() else { throw invalid() }
        try reader.appendString(to: &pair)
        middle = pair.count
        guard try reader.nextElement() else { throw invalid() }
        try reader.appendString(to: &pair)
        guard try !reader.nextElement() else { throw invalid() }
      } else {
        try reader.appendString(to: &pair)
        if pair.starts(with: "#version".utf8) { continue }
        guard let space = pair.firstIndex(of: 0x20) else { throw invalid() }
        middle = space
        pair.remove(at: space)
        guard !pair.contains(0x20) else { throw invalid() }
      }
      let (left, right) = pair.withUnsafeBufferPointer { pair in
        func id(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> Int32? {
          pieces.id(of: UnsafeBufferPointer(rebasing: part))
        }
        return (id(pair[..<middle]), id(pair[middle...]))
      }
      let second = middle + prefix
      guard let left, let right, second < pair.count, middle > 0, pair[second] & 0xC0 != 0x80 else { throw invalid() }
      met.append(
        pair.withUnsafeBufferPointer { pair in
          var (end, start) = (middle, second)
          return (pair.scalar(before: &end), pair.scalar(at: &start))
        })
      pair.removeSubrange(middle..<second)
      guard let whole = pair.withUnsafeBufferPointer({ pieces.id(of: $0) }) else { throw invalid() }
      found.append(Slot(left: left, right: right, merge: Merge(rank: Int32(number), id: whole)))
      number += 1
    }
    var count = 2
    while count < 2 * found.count { count *= 2 }
    shift = UInt64(64 - count.trailingZeroBitCount)
    slots = [Slot](repeating: Slot(left: 0, right: 0, merge: .none), count: count)
    for slot in found {
      var place = place(slot.left, slot.right)
      while slots[place].merge.rank >= 0, slots[place].left != slot.left || slots[place].right != slot.right {
        place = (place + 1) & (count - 1)
      }
      slots[place] = slot
    }
    borders = [UInt64](repeating: 0, count: max(1, count / 8))
    for pair in met {
      let bit = border(pair.left, pair.right)
      borders[bit >> 6] |= 1 << UInt64(bit & 63)
    }
  }
}
