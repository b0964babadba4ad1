/// A text that comes token by token: characters are given when all of their bytes are there.
import Tokenizers

package struct TextStream {
  private let decoder: TokenDecoder
  private var tokens: [Int32] = []
  /// Bytes that were given.
  private var given = 0

  package init(_ decoder: TokenDecoder) { self.decoder = decoder }

  /// All of the text so far.
  package var text: String { decoder.decode(tokens) }

  /// What a token adds to the text: nothing, where it ends in the middle of a character.
  package mutating func add(_ token: Int32) -> String {
    tokens.append(token)
    // A piece of a character is decoded as U+FFFD, until the rest comes.
    var scalars = text.unicodeScalars[...]
    while scalars.last == "\u{FFFD}" { scalars.removeLast() }
    return rest(of: String(scalars))
  }

  /// What is left at the end: bytes that never became a character.
  package mutating func end() -> String { rest(of: text) }

  private mutating func rest(of text: String) -> String {
    let bytes = Array(text.utf8)
    guard bytes.count > given else { return "" }
    defer { given = bytes.count }
    return String(decoding: bytes[given...], as: UTF8.self)
  }
}
