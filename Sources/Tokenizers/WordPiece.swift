/// WordPiece: from the left, the longest piece that the vocabulary has; a word that cannot be spelt is one unknown.
import JSONText

struct WordPiece: Sendable {
  let pieces: PieceTable
  let unknownID: Int32
  /// Marks pieces that continue a word, `##`.
  let continuation: [UInt8]
  let longestWord: Int  // scalars

  /// The time for a word grows with the square of its length, and with the prefix's.
  static let longestContinuation = 64  // bytes

  /// Appends the ids of the word at `word` of `text`; overwrites bytes before its unread part with `continuation`.
  @inline(__always)
  func encode(_ text: UnsafeMutableBufferPointer<UInt8>, word: Range<Int>, into ids: inout [Int32]) {
    let firstID = ids.count
    if word.count > longestWord, word.reduce(into: 0, { $0 += text[$1] & 0xC0 != 0x80 ? 1 : 0 }) > longestWord {
      return ids.append(unknownID)
    }
    var start = word.lowerBound
    while start < word.upperBound {
      var keyStart = start
      if start > word.lowerBound {
        keyStart -= continuation.count
        for (offset, byte) in continuation.enumerated() { text[keyStart + offset] = byte }
      }
      guard let (id, end) = longestPiece(in: text, keyStart, start, word.upperBound) else {
        ids.removeSubrange(firstID...)
        return ids.append(unknownID)
      }
      ids.append(id)
      start = end
    }
  }

  /// The longest piece whose key starts at `keyStart` and reaches beyond `start`: its id and where it ends.
  @inline(__always)
  private func longestPiece(
    in text: UnsafeMutableBufferPointer<UInt8>, _ keyStart: Int, _ start: Int, _ wordEnd: Int
  ) -> (Int32, end: Int)? {
    let limit = min(wordEnd, keyStart + pieces.longest)
    return withUnsafeTemporaryAllocation(of: (hash: UInt32, end: Int).self, capacity: max(limit - start, 1)) {
      prefixes in
      var hash = PieceHash()
      for index in keyStart..<start { hash.add(text[index]) }
      var count = 0
      var index = start
      while index < limit {
        hash.add(text[index])
        index += 1
        if index == wordEnd || text[index] & 0xC0 != 0x80 {  // only whole scalars
          prefixes.initializeElement(at: count, to: (hash.value, index))
          count += 1
        }
      }
      while count > 0 {
        count -= 1
        let prefix = prefixes[count]
        let key = UnsafeBufferPointer(rebasing: text[keyStart..<prefix.end])
        if let id = pieces.id(of: key, hash: prefix.hash) { return (id, prefix.end) }
      }
      return nil
    }
  }
}

extension WordPiece {
  init(_ fields: TokenizerFields, vocabulary: inout JSONReader) throws {
    let prefix = try fields.string("continuing_subword_prefix", default: "##")
    guard prefix.utf8.count <= Self.longestContinuation else {
      throw fields.invalid(
        "continuing_subword_prefix", found: "\(prefix.utf8.count) bytes long",
        expected: "at most \(Self.longestContinuation) bytes")
    }
    continuation = Array(prefix.utf8)
    longestWord = try fields.int("max_input_chars_per_word", default: 100, in: 0...1000)
    let pieces = try PieceTable(&vocabulary, fields)
    let unknown = try fields.string("unk_token", default: "[UNK]")
    guard let unknownID = pieces.id(of: unknown) else {
      throw fields.invalid("unk_token", found: "\"\(unknown)\"", expected: "a piece of the vocabulary")
    }
    self.unknownID = unknownID
    self.pieces = pieces
  }
}
