/// Byte-pair encoding (Sennrich et al. 2016): characters are joined in the order in which a vocabulary learned to.
import JSONText

struct BPE: Sendable {
  let pieces: PieceTable
  private let merges: MergeTable
  /// Stands for a character that is no piece; absent: such a character goes.
  let unknownID: Int32?
  /// Neighbouring unknown characters are one token.
  private let fusesUnknown: Bool
  /// A word that is a piece is taken whole.
  private let takesWholeWords: Bool
  /// The pieces that spell the bytes of a character that is none; absent: it is unknown.
  private let byteIDs: [Int32?]?
  /// The ids of the characters of the first plane; negative: it is no piece.
  private let firstIDs: [Int32]
  /// Stand before every character of a word but the first, and behind the last.
  private let prefix, suffix: [UInt8]
  let caches = WordCaches()

  /// A piece of the word, and the joining of it with the next one.
  private struct Symbol {
    var id: Int32
    /// Its neighbours; the last one's next is the count of all.
    var previous, next: Int32
    var merge = MergeTable.Merge.none
  }

  /// Appends the ids of a word of valid UTF-8.
  @inline(__always)
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, word: Range<Int>, _ cache: WordCache, into ids: inout [Int32]
  ) {
    if takesWholeWords, let id = pieces.id(of: UnsafeBufferPointer(rebasing: text[word])) { return ids.append(id) }
    if word.count <= WordCache.longest { return encode(text, part: word, cache, into: &ids) }
    encode(text, long: word, cache, into: &ids)
  }

  /// Parts a word where no two of its tokens can be joined: between characters that are nowhere side by side in a piece.
  private func encode(
    _ text: UnsafeBufferPointer<UInt8>, long word: Range<Int>, _ cache: WordCache, into ids: inout [Int32]
  ) {
    var start = word.lowerBound
    var before: UInt32?  // unless it is no piece
    var next = start
    while next < word.upperBound, prefix.isEmpty, suffix.isEmpty {
      let place = next
      let scalar = text.scalar(at: &next)
      let isKnown = firstID(scalar, UnsafeBufferPointer(rebasing: text[place..<next])) >= 0
      if isKnown, let before, !merges.join(before, scalar) {
        encode(text, part: start..<place, cache, into: &ids)
        start = place
      }
      before = isKnown ? scalar : nil
    }
    encode(text, part: start..<word.upperBound, cache, into: &ids)
  }

  @inline(__always)
  private func encode(
    _ text: UnsafeBufferPointer<UInt8>, part: Range<Int>, _ cache: WordCache, into ids: inout [Int32]
  ) {
    guard part.count <= WordCache.longest else { return join(text, part, into: &ids) }
    cache.encode(UnsafeBufferPointer(rebasing: text[part]), into: &ids) { join(text, part, into: &$0) }
  }

  private func join(_ text: UnsafeBufferPointer<UInt8>, _ part: Range<Int>, into ids: inout [Int32]) {
    let first = ids.count
    spell(text, part, into: &ids)
    let count = ids.count - first
    if count < 2 { return }
    withUnsafeTemporaryAllocation(of: Symbol.self, capacity: count) { symbols in
      for place in 0..<count {
        let symbol = Symbol(id: ids[first + place], previous: Int32(place) - 1, next: Int32(place) + 1)
        symbols.initializeElement(at: place, to: symbol)
      }
      ids.removeLast(count)
      if count <= 32 {
        for symbol in symbols[..<joinFew(symbols)] { ids.append(symbol.id) }
        return
      }
      join(symbols)
      var place = 0
      while place < count {
        ids.append(symbols[place].id)
        place = Int(symbols[place].next)
      }
    }
  }

  /// The id of a character that is neither first nor last of a word with affixes; negative: it is no piece.
  @inline(__always)
  private func firstID(_ scalar: UInt32, _ character: UnsafeBufferPointer<UInt8>) -> Int32 {
    scalar < UInt32(firstIDs.count) ? firstIDs[Int(scalar)] : pieces.id(of: character) ?? -1
  }

  /// Appends the ids of the word's characters.
  private func spell(_ text: UnsafeBufferPointer<UInt8>, _ word: Range<Int>, into ids: inout [Int32]) {
    var hasUnknown = false  // which is not written yet
    func add(_ known: Int32, _ character: UnsafeBufferPointer<UInt8>) {
      if known >= 0 {
        if hasUnknown, let unknownID { ids.append(unknownID) }
        hasUnknown = false
        ids.append(known)
      } else if let byteIDs, character.allSatisfy({ byteIDs[Int($0)] != nil }) {
        // As in the library, an unknown character before them comes behind them.
        for byte in character { if let id = byteIDs[Int(byte)] { ids.append(id) } }
      } else {
        if hasUnknown, !fusesUnknown, let unknownID { ids.append(unknownID) }
        hasUnknown = true
      }
    }
    var next = word.lowerBound
    while next < word.upperBound {
      let place = next
      let scalar = text.scalar(at: &next)
      let character = UnsafeBufferPointer(rebasing: text[place..<next])
      if prefix.isEmpty && suffix.isEmpty {
        add(firstID(scalar, character), character)
      } else {
        let before = place > word.lowerBound ? prefix : []
        (before + character + (next == word.upperBound ? suffix : [])).withUnsafeBufferPointer {
          add(pieces.id(of: $0) ?? -1, $0)
        }
      }
    }
    if hasUnknown, let unknownID { ids.append(unknownID) }
  }

  /// Joins neighbours as `join` does, without a heap: how many are left, at the front.
  private func joinFew(_ symbols: UnsafeMutableBufferPointer<Symbol>) -> Int {
    var count = symbols.count
    for place in 0..<count - 1 { symbols[place].merge = merges.merge(symbols[place].id, symbols[place + 1].id) }
    while true {
      var least = -1
      for place in 0..<count - 1 where symbols[place].merge.rank >= 0 {
        if least < 0 || symbols[place].merge.rank < symbols[least].merge.rank { least = place }
      }
      if least < 0 { return count }
      symbols[least].id = symbols[least].merge.id
      count -= 1
      for place in least + 1..<count { symbols[place] = symbols[place + 1] }
      symbols[count - 1].merge = .none
      if least < count - 1 { symbols[least].merge = merges.merge(symbols[least].id, symbols[least + 1].id) }
      if least > 0 { symbols[least - 1].merge = merges.merge(symbols[least - 1].id, symbols[least].id) }
    }
  }

  /// Joins neighbours, those of the lowest rank first, of one rank the leftmost, until none can be joined.
  @inline(__always)
  private func join(_ symbols: UnsafeMutableBufferPointer<Symbol>) {
    var heap = Heap(symbols.count)
    func look(_ place: Int) {
      let next = Int(symbols[place].next)
      symbols[place].merge = next < symbols.count ? merges.merge(symbols[place].id, symbols[next].id) : .none
      if symbols[place].merge.rank >= 0 { heap.insert(UInt64(symbols[place].merge.rank) << 32 | UInt64(place)) }
    }
    for place in symbols.indices { look(place) }
    while let least = heap.removeLeast() {
      let place = Int(least & 0xFFFF_FFFF)
      // What has changed since is passed over.
      guard symbols[place].merge.rank == Int32(least >> 32) else { continue }
      let right = symbols[Int(symbols[place].next)]
      symbols[Int(symbols[place].next)].merge = .none
      symbols[place].id = symbols[place].merge.id
      symbols[place].next = right.next
      if Int(right.next) < symbols.count { symbols[Int(right.next)].previous = Int32(place) }
      if symbols[place].previous >= 0 { look(Int(symbols[place].previous)) }
      look(place)
    }
  }
}

extension BPE {
  init(_ fields: TokenizerFields, vocabulary: inout JSONReader, merges: inout JSONReader) throws {
    prefix = Array(try fields.string("continuing_subword_prefix", default: "").utf8)
    suffix = Array(try fields.string("end_of_word_suffix", default: "").utf8)
    guard try fields.double("dropout", default: 0) == 0 else {
      throw fields.invalid("dropout", found: "not 0", expected: "0, for ids that are always the same")
    }
    let pieces = try PieceTable(&vocabulary, fields)
    fusesUnknown = try fields.bool("fuse_unk", default: false)
    takesWholeWords = try fields.bool("ignore_merges", default: false)
    byteIDs = try fields.bool("byte_fallback", default: false) ? Model.byteIDs(pieces.id(of:)) : nil
    let unknown = try fields.string("unk_token", default: "")
    unknownID = unknown.isEmpty ? nil : pieces.id(of: unknown)
    guard unknown.isEmpty || unknownID != nil else {
      throw fields.invalid("unk_token", found: "\"\(unknown)\"", expected: "a piece of the vocabulary")
    }
    var firstIDs = [Int32](repeating: -1, count: 0x10000)
    pieces.forEach { piece, id in
      var end = 0
      guard !piece.isEmpty, piece.count < 4, case let scalar = piece.scalar(at: &end), end == piece.count else {
        return
      }
      firstIDs[Int(scalar)] = id
    }
    self.firstIDs = firstIDs
    self.merges = try MergeTable(&merges, pieces, prefix: prefix.count, fields)
    self.pieces = pieces
  }
}

/// Numbers of which the least is taken first (Williams, Communications of the ACM 7, 1964).
private struct Heap {
  private var items: [UInt64] = []

  init(_ capacity: Int) { items.reserveCapacity(capacity) }

  mutating func insert(_ item: UInt64) {
    items.append(item)
    var place = items.count - 1
    while place > 0, items[(place - 1) / 2] > item {
      items[place] = items[(place - 1) / 2]
      place = (place - 1) / 2
    }
    items[place] = item
  }

  mutating func removeLeast() -> UInt64? {
    guard let least = items.first, let last = items.popLast() else { return nil }
    if items.isEmpty { return least }
    var place = 0
    while 2 * place + 1 < items.count {
      var child = 2 * place + 1
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      if items[child] >= last { break }
      items[place] = items[child]
      place = child
    }
    items[place] = last
    return least
  }
}
