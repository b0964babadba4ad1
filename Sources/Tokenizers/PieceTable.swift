/// Pieces by their UTF-8 bytes: one buffer of bytes and one open-addressing table, so a look-up allocates nothing.
import JSONText

struct PieceTable: Sendable {
  /// Bytes of all pieces, one after the other, in the order of insertion.
  private var bytes: [UInt8] = []
  private var entries: [Entry] = []
  /// Index into `entries` plus one; 0 is an empty slot. The count is a power of two, at most half full.
  private var slots: [UInt32] = [0, 0]
  private(set) var longest = 0  // bytes

  private struct Entry {
    var hash: UInt32
    var start: UInt32
    var count: UInt32
    var id: Int32
  }

  private(set) var largestID: Int32 = -1
  var count: Int { entries.count }

  /// Makes room once, so that loading never rehashes.
  mutating func reserve(pieces: Int, bytes byteCount: Int) {
    entries.reserveCapacity(pieces)
    bytes.reserveCapacity(byteCount)
    resize(forPieces: pieces)
  }

  /// Adds a piece, or changes the id of one that is there.
  mutating func insert(_ piece: some Collection<UInt8>, id: Int32) {
    largestID = max(largestID, id)
    let hash = piece.reduce(into: PieceHash()) { $0.add($1) }.value
    if 2 * (entries.count + 1) > slots.count { resize(forPieces: 2 * (entries.count + 1)) }
    var slot = Int(hash) & (slots.count - 1)
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.hash == hash, bytes[Int(entry.start)..<Int(entry.start + entry.count)].elementsEqual(piece) {
        entries[Int(slots[slot]) - 1].id = id
        return
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    entries.append(Entry(hash: hash, start: UInt32(bytes.count), count: UInt32(piece.count), id: id))
    bytes.append(contentsOf: piece)
    slots[slot] = UInt32(entries.count)
    longest = max(longest, piece.count)
  }

  /// The id of the piece with these bytes, whose `PieceHash` is `hash`.
  func id(of piece: UnsafeBufferPointer<UInt8>, hash: UInt32) -> Int32? {
    bytes.withUnsafeBufferPointer { bytes in
      entries.withUnsafeBufferPointer { entries in
        slots.withUnsafeBufferPointer { slots in
          var slot = Int(hash) & (slots.count - 1)
          while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            if entry.hash == hash, Int(entry.count) == piece.count,
              UnsafeBufferPointer(rebasing: bytes[Int(entry.start)..<Int(entry.start + entry.count)])
                .elementsEqual(piece)
            {
              return entry.id
            }
            slot = (slot + 1) & (slots.count - 1)
          }
          return nil
        }
      }
    }
  }

  func id(of piece: UnsafeBufferPointer<UInt8>) -> Int32? {
    id(of: piece, hash: piece.reduce(into: PieceHash()) { $0.add($1) }.value)
  }

  func id(of piece: String) -> Int32? {
    var piece = piece
    return piece.withUTF8 { id(of: $0) }
  }

  /// Calls `body` with each piece and its id.
  func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int32) -> Void) {
    bytes.withUnsafeBufferPointer { bytes in
      for entry in entries {
        body(UnsafeBufferPointer(rebasing: bytes[Int(entry.start)..<Int(entry.start + entry.count)]), entry.id)
      }
    }
  }

  private mutating func resize(forPieces pieces: Int) {
    var capacity = 2
    while capacity < 2 * pieces { capacity *= 2 }
    guard capacity > slots.count else { return }
    slots = [UInt32](repeating: 0, count: capacity)
    for (index, entry) in entries.enumerated() {
      var slot = Int(entry.hash) & (capacity - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
      slots[slot] = UInt32(index + 1)
    }
  }
}

extension PieceTable {
  /// Reads the object of pieces and ids that `vocabulary` is at.
  init(_ vocabulary: inout JSONReader, _ fields: TokenizerFields) throws {
    reserve(pieces: 1 << 15, bytes: 1 << 18)
    var piece: [UInt8] = []
    try vocabulary.beginObject()
    while try vocabulary.nextKey(into: &piece) {
      let number = try vocabulary.int()
      guard let id = Int32(exactly: number), id >= 0 else {
        throw fields.invalid("vocab", found: "the id \(number)", expected: "ids from 0 up")
      }
      insert(piece, id: id)
    }
  }
}

/// FNV-1a, 32 bits, byte by byte: the hash of a prefix continues into the hash of the whole.
struct PieceHash {
  private var state: UInt32 = 2_166_136_261

  mutating func add(_ byte: UInt8) { state = (state ^ UInt32(byte)) &* 16_777_619 }

  /// Folded, because a table's slot is taken from the low bits.
  var value: UInt32 { state ^ (state >> 15) }
}
