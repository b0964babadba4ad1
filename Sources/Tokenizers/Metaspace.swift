/// SentencePiece's words: a space becomes a visible character, and each word begins with it.

struct Metaspace: Sendable {
  enum Prepending: String, CaseIterable { case always, first, never }

  /// UTF-8 of one scalar, `▁`.
  private let replacement: [UInt8]
  /// Where a text that does not begin with the replacement is given one.
  let prepending: Prepending
  private let splits: Bool

  func split(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, _ beginning: Int, _ word: PreTokenizer.Word
  ) {
    guard !segment.isEmpty else { return }
    var words = SpelledWords(segment.count * 3 / 2)
    func mark() {
      if splits { words.end() }
      words.text += replacement
    }
    let first = UnsafeBufferPointer(rebasing: text[segment])
    let needsMark = first[0] != 0x20 && !first.starts(with: replacement)
    if needsMark, prepending == .always || prepending == .first && beginning > 0 { mark() }
    var index = 0
    while index < first.count {
      if first[index] == 0x20 {
        mark()
        index += 1
      } else if first[index] == replacement[0], first[index...].starts(with: replacement) {
        mark()
        index += replacement.count
      } else {
        words.text.append(first[index])
        index += 1
      }
    }
    words.end()
    words.give(beginning, to: word)
  }
}

extension Metaspace {
  init(_ fields: TokenizerFields) throws {
    let character = try fields.string("replacement")
    guard character.unicodeScalars.count == 1 else {
      throw fields.invalid("replacement", found: "\"\(character.prefix(40))\"", expected: "one character")
    }
    replacement = Array(character.utf8)
    prepending = try fields.choice("prepend_scheme", default: .always)
    splits = try fields.bool("split", default: true)
    // What older files say instead; the library refuses a contradiction too.
    guard try fields.bool("add_prefix_space", default: prepending != .never) || prepending == .never else {
      throw fields.invalid(
        "prepend_scheme", found: "\"\(prepending)\"", expected: "\"never\", as add_prefix_space is false")
    }
  }
}
