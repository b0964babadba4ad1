/// Byte-level words (Radford et al. 2019): every byte of a text becomes a visible character.

struct ByteLevel: Sendable {
  let addsPrefixSpace: Bool
  /// Cuts the text into words; absent: it is one.
  private let expression: RegularExpression?

  /// GPT-2's words: English contractions, letters, digits, other characters, each with a space before it, and white
  /// space, of which the last character is left to the word behind it.
  private static let words = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The character of each byte: its own if it is visible in Latin 1, else one from U+0100 on.
  static let alphabet: [UInt32] = {
    var next: UInt32 = 0x100
    return (0..<UInt32(0x100)).map { byte in
      if 0x21...0x7E ~= byte || 0xA1...0xAC ~= byte || 0xAE...0xFF ~= byte { return byte }
      defer { next += 1 }
      return next
    }
  }()

  static func spell(_ bytes: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    alphabet.withUnsafeBufferPointer { alphabet in
      for byte in bytes { output.append(scalar: alphabet[Int(byte)]) }
    }
  }

  /// The byte of each character of the alphabet.
  private static let values = Dictionary(uniqueKeysWithValues: zip(alphabet, UInt8.min ... .max))

  /// The bytes that a token spells; its own, if it has a character that stands for none.
  static func bytes(of token: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var isSpelt = true
    token.withUnsafeBufferPointer { text in
      text.forEachScalar { scalar in
        if let byte = values[scalar] { bytes.append(byte) } else { isSpelt = false }
      }
    }
    return isSpelt ? bytes : token
  }

  func split(
    _ text: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ beginning: Int, _ word: PreTokenizer.Word
  ) {
    guard !segment.isEmpty else { return }
    guard addsPrefixSpace, text[segment.lowerBound] != 0x20 else { return spell(text, segment, beginning, word) }
    ([0x20] + text[segment]).withUnsafeBufferPointer { spell($0, $0.indices, beginning, word) }
  }

  private func spell(
    _ text: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ beginning: Int, _ word: PreTokenizer.Word
  ) {
    var words = SpelledWords(segment.count * 2)
    func add(_ part: Range<Int>) {
      Self.spell(UnsafeBufferPointer(rebasing: text[part]), into: &words.text)
      words.end()
    }
    var end = segment.lowerBound
    expression?.forEachMatch(in: text, segment) { match in
      if end < match.lowerBound { add(end..<match.lowerBound) }
      add(match)
      end = match.upperBound
    }
    if end < segment.upperBound { add(end..<segment.upperBound) }
    words.give(beginning, to: word)
  }
}

extension ByteLevel {
  init(_ fields: TokenizerFields) throws {
    addsPrefixSpace = try fields.bool("add_prefix_space", default: true)
    expression = try fields.bool("use_regex", default: true) ? RegularExpression(Self.words) : nil
  }
}

/// Words that a pre-tokenizer writes otherwise than they stand in the text.
struct SpelledWords {
  /// With room before the first word, as much as any model asks for.
  var text = [UInt8](repeating: 0, count: WordPiece.longestContinuation)
  private var ends: [Int] = []

  init(_ capacity: Int) { text.reserveCapacity(text.count + capacity) }

  /// Ends the word that was written, unless nothing was.
  mutating func end() {
    if text.count > ends.last ?? WordPiece.longestContinuation { ends.append(text.count) }
  }

  /// Calls `word` with each word.
  mutating func give(_ beginning: Int, to word: PreTokenizer.Word) {
    let ends = ends
    text.withUnsafeMutableBufferPointer { text in
      var start = WordPiece.longestContinuation
      for end in ends {
        word(text, start..<end, start == WordPiece.longestContinuation ? beginning : 0)
        start = end
      }
    }
  }
}
