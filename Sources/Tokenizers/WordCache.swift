/// Words that were encoded before, with their ids: most words of a text come again.
import Glibc
import Synchronization

/// A table of which each place holds the last one of the words that belong there; one user at a time.
struct WordCache {
  /// Words of more bytes, or of more tokens, are not kept.
  static let (longest, mostTokens) = (32, 7)

  fileprivate struct Slot {
    /// The word's bytes, zeros behind them.
    var word = SIMD4<UInt64>()
    /// Last the counts of the word's bytes and of its ids; both 0: the place is empty.
    var ids = SIMD8<Int32>()
  }

  fileprivate static let count = 1 << 14
  fileprivate let slots: UnsafeMutablePointer<Slot>

  /// Appends the ids of `word`, of at most `longest` bytes, which `encode` appends if they are not here.
  @inline(__always)
  func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ encode: (inout [Int32]) -> Void) {
    var bytes = SIMD4<UInt64>()
    withUnsafeMutableBytes(of: &bytes) { $0.copyBytes(from: word) }
    let slot = slots + Self.place(of: bytes)
    if slot.pointee.word == bytes, slot.pointee.ids[7] >> 8 == Int32(word.count), !word.isEmpty {
      let found = slot.pointee.ids
      for place in 0..<Int(found[7] & 0xFF) { ids.append(found[place]) }
      return
    }
    let first = ids.count
    encode(&ids)
    guard ids.count - first <= Self.mostTokens else { return }
    var kept = SIMD8<Int32>()
    for place in first..<ids.count { kept[place - first] = ids[place] }
    kept[7] = Int32(word.count << 8 | ids.count - first)
    slot.pointee = Slot(word: bytes, ids: kept)
  }

  /// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4), word by word.
  @inline(__always)
  private static func place(of bytes: SIMD4<UInt64>) -> Int {
    var mixed: UInt64 = 0
    for part in 0..<4 {
      mixed = (mixed ^ bytes[part]) &* 0x9E37_79B9_7F4A_7C15
      mixed ^= mixed >> 32
    }
    return Int(mixed & UInt64(count - 1))
  }
}

/// The caches of one tokenizer, as many as there are threads that use it at once.
final class WordCaches: Sendable {
  private let free = Mutex<[UInt]>([])  // the addresses of caches that no one uses

  /// Calls `body` with a cache that no one else uses meanwhile.
  func withCache<Result>(_ body: (WordCache) -> Result) -> Result {
    let address = free.withLock { $0.popLast() }
    let slots =
      address.flatMap { UnsafeMutablePointer<WordCache.Slot>(bitPattern: $0) }
      ?? .allocate(capacity: WordCache.count)
    // Zeros are empty places.
    if address == nil { memset(slots, 0, WordCache.count * MemoryLayout<WordCache.Slot>.stride) }
    defer { free.withLock { $0.append(UInt(bitPattern: slots)) } }
    return body(WordCache(slots: slots))
  }

  deinit {
    free.withLock { for address in $0 { UnsafeMutablePointer<WordCache.Slot>(bitPattern: address)?.deallocate() } }
  }
}
