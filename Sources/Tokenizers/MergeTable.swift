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

  /// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
  @inline(__always)
  private func place(_ left: Int32, _ right: Int32) -> Int {
    let pair = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    let mixed = (pair ^ pair >> 27) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> shift)
  }

  /// Reads the list of `"left right"` or `["left", "right"]` that `reader` is at. Of equal pairs the last counts.
  init(_ reader: inout JSONReader, _ pieces: PieceTable, _ fields: TokenizerFields) throws {
    var found: [Slot] = []
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
      let ids = pair.withUnsafeBufferPointer { pair in
        [pair[..<middle], pair[middle...], pair[...]].map { pieces.id(of: UnsafeBufferPointer(rebasing: $0)) }
      }
      guard let left = ids[0], let right = ids[1], let whole = ids[2] else { throw invalid() }
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
  }
}
