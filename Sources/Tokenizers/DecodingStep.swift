/// What makes text of tokens: the decoders of tokenizer.json. Each kind of the tokenizers format is a case.

enum DecodingStep: Sendable {
  /// Tokens with spaces between them.
  case spaced
  case byteLevel
  /// Tokens `<0xE1>` become bytes; those that are no UTF-8 become U+FFFD, one each.
  case byteFallback
  case fuse
  case replace(Replacement)
  /// Takes so many of a character from the ends of each token.
  case strip(character: [UInt8], left: Int, right: Int)
  case metaspace(character: [UInt8], dropsFirst: Bool)
  case wordPiece(prefix: [UInt8], cleansUp: Bool)
  /// A text that ends words becomes a space, behind the last one nothing.
  case suffix([UInt8])
  indirect case sequence([DecodingStep])

  /// Tokens as bytes of UTF-8, whose texts follow each other.
  typealias Tokens = [[UInt8]]

  func decode(_ tokens: Tokens) -> Tokens {
    switch self {
    case .spaced: [Array(tokens.joined(separator: [0x20]))]
    case .byteLevel: [Self.repaired(tokens.flatMap(ByteLevel.bytes(of:)))]
    case .byteFallback: Self.decodeBytes(tokens)
    case .fuse: [Array(tokens.joined())]
    case .replace(let replacement):
      tokens.map { token in
        var output: [UInt8] = []
        token.withUnsafeBufferPointer { replacement.normalize($0, into: &output) }
        return output
      }
    case .strip(let character, let left, let right):
      tokens.map { token in
        var rest = token[...]
        for _ in 0..<left where rest.starts(with: character) { rest = rest.dropFirst(character.count) }
        for _ in 0..<right where rest.reversed().starts(with: character.reversed()) {
          rest = rest.dropLast(character.count)
        }
        return Array(rest)
      }
    case .metaspace(let character, let dropsFirst):
      tokens.enumerated().map { number, token in
        Self.replacing(character, by: number == 0 && dropsFirst ? [] : [0x20], in: token)
      }
    case .wordPiece(let prefix, let cleansUp):
      tokens.enumerated().map { number, token in
        let isContinuation = number > 0 && token.starts(with: prefix)
        let whole = number == 0 ? token : isContinuation ? Array(token.dropFirst(prefix.count)) : [0x20] + token
        return cleansUp ? Self.cleaned(whole) : whole
      }
    case .suffix(let suffix):
      tokens.enumerated().map { number, token in
        Self.replacing(suffix, by: number == tokens.count - 1 ? [] : [0x20], in: token)
      }
    case .sequence(let steps): steps.reduce(tokens) { $1.decode($0) }
    }
  }

  private static func repaired(_ bytes: [UInt8]) -> [UInt8] { Array(String(decoding: bytes, as: UTF8.self).utf8) }

  private static func decodeBytes(_ tokens: Tokens) -> Tokens {
    var (output, waiting): (Tokens, [UInt8]) = ([], [])
    func flush() {
      if waiting.isEmpty { return }
      if String(validating: waiting, as: UTF8.self) != nil {
        output.append(waiting)
      } else {
        output += repeatElement(Array("\u{FFFD}".utf8), count: waiting.count)
      }
      waiting = []
    }
    for token in tokens {
      if let byte = byte(token) {
        waiting.append(byte)
      } else {
        flush()
        output.append(token)
      }
    }
    flush()
    return output
  }

  private static func byte(_ token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
  }

  private static func replacing(_ wanted: [UInt8], by other: [UInt8], in token: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    token.withUnsafeBufferPointer { text in
      TextPattern.text(wanted).forEachPart(of: text, text.indices) { part, isMatch in
        output += isMatch ? other[...] : token[part]
      }
    }
    return output
  }

  /// Takes out the spaces that English lacks, one rule after the other.
  private static func cleaned(_ token: [UInt8]) -> [UInt8] {
    rules.reduce(token) { replacing(Array($1.0.utf8), by: Array($1.1.utf8), in: $0) }
  }

  private static let rules = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ]
}

extension DecodingStep {
  /// Without any fields tokens stand with spaces between them.
  init(_ fields: TokenizerFields?) throws {
    guard let fields else {
      self = .spaced
      return
    }
    func text(_ key: String, default fallback: String, isCharacter: Bool = false) throws -> [UInt8] {
      let found = try fields.string(key, default: fallback)
      guard isCharacter ? found.unicodeScalars.count == 1 : !found.isEmpty else {
        throw fields.invalid(
          key, found: "\"\(found.prefix(40))\"", expected: isCharacter ? "one character" : "a text")
      }
      return Array(found.utf8)
    }
    switch try fields.string("type") {
    case "ByteLevel": self = .byteLevel
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Replace": self = .replace(try Replacement(fields))
    case "Strip":
      self = .strip(
        character: try text("content", default: " ", isCharacter: true), left: try fields.int("start", in: 0...1000),
        right: try fields.int("stop", in: 0...1000))
    case "Metaspace":
      let prepending: Metaspace.Prepending = try fields.choice("prepend_scheme", default: .always)
      self = .metaspace(
        character: try text("replacement", default: "▁", isCharacter: true), dropsFirst: prepending != .never)
    case "WordPiece":
      self = .wordPiece(
        prefix: try text("prefix", default: "##"), cleansUp: try fields.bool("cleanup", default: true))
    case "BPEDecoder": self = .suffix(try text("suffix", default: "</w>"))
    case "Sequence": self = .sequence(try fields.steps("decoders").map { try DecodingStep($0) })
    case let type:
      throw fields.unsupported(
        type,
        supported: [
          "ByteLevel", "ByteFallback", "Fuse", "Replace", "Strip", "Metaspace", "WordPiece", "BPEDecoder", "Sequence",
        ])
    }
  }
}
