/// Cuts a template into text and tags, and tags into tokens, with the white space around tags dropped as Jinja does with
/// `trim_blocks` and `lstrip_blocks`.

struct Token: Equatable {
  enum Kind: Equatable {
    case text(String)
    case name(String)
    case string(String)
    case integer(Int)
    case float(Double)
    case symbol(String)
    case statementStart, statementEnd, outputStart, outputEnd, end
  }
  let kind: Kind
  let offset: Int
}

struct Lexer {
  private let source: [Unicode.Scalar]
  private var offset = 0
  private var tokens: [Token] = []
  /// Whether nothing but what tags have dropped stands before this on its line.
  private var startsLine = true

  private static let symbols = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
  ]
  private static let pairs: [String: String] = ["]": "[", ")": "(", "}": "{"]

  init(_ source: [Unicode.Scalar]) { self.source = source }

  /// Line breaks are `\n`, and one at the end is dropped.
  static func lines(of source: String) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    for scalar in source.unicodeScalars {
      if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
      if scalar != "\n", scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
      scalars.append(scalar)
    }
    if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
    if scalars.last == "\n" { scalars.removeLast() }
    return scalars
  }

  static func tokens(of source: [Unicode.Scalar]) throws(Fault) -> [Token] {
    var lexer = Lexer(source)
    while lexer.offset < source.count { try lexer.textAndTag() }
    lexer.add(.end)
    return lexer.tokens
  }

  private mutating func add(_ kind: Token.Kind, at place: Int? = nil) {
    tokens.append(Token(kind: kind, offset: place ?? offset))
  }

  private func has(_ text: String, at place: Int? = nil) -> Bool {
    source[(place ?? offset)...].starts(with: text.unicodeScalars)
  }

  private mutating func textAndTag() throws(Fault) {
    let start = offset
    while offset < source.count, source[offset] != "{" || !["{%", "{{", "{#"].contains(where: { has($0) }) {
      offset += 1
    }
    var end = offset
    guard offset < source.count else { return addText(start..<end) }
    let kind = source[offset + 1]
    let sign = offset + 2 < source.count && "-+".unicodeScalars.contains(source[offset + 2]) ? source[offset + 2] : nil
    if sign == "-" {
      while end > start, source[end - 1].properties.isWhitespace { end -= 1 }
    } else if sign == nil, kind != "{" {
      var lineStart = end
      while lineStart > start, source[lineStart - 1] != "\n", source[lineStart - 1].properties.isWhitespace {
        lineStart -= 1
      }
      if lineStart > start ? source[lineStart - 1] == "\n" : startsLine { end = lineStart }
    }
    addText(start..<end)
    let tag = offset
    offset += sign == nil ? 2 : 3
    if kind == "#" { return try skipComment(from: tag) }
    add(kind == "%" ? .statementStart : .outputStart, at: tag)
    try readTag(from: tag, closing: kind == "%" ? "%}" : "}}")
  }

  private mutating func addText(_ range: Range<Int>) {
    if range.isEmpty { return }
    add(.text(String(String.UnicodeScalarView(source[range]))), at: range.lowerBound)
  }

  private mutating func skipComment(from tag: Int) throws(Fault) {
    while offset < source.count, !has("#}") { offset += 1 }
    guard offset < source.count else { throw Fault(tag, "a comment that no `#}` ends") }
    let sign = offset > tag + 1 ? source[offset - 1] : "#"
    offset += 2
    leave(sign: sign, trims: true)
  }

  /// After a tag: drops what its sign says or, after a statement or a comment, a line break.
  private mutating func leave(sign: Unicode.Scalar, trims: Bool) {
    startsLine = false
    if sign == "-" {
      while offset < source.count, source[offset].properties.isWhitespace {
        startsLine = source[offset] == "\n"
        offset += 1
      }
    } else if trims, sign != "+", offset < source.count, source[offset] == "\n" {
      startsLine = true
      offset += 1
    }
  }

  private mutating func readTag(from tag: Int, closing: String) throws(Fault) {
    var open: [(symbol: String, offset: Int)] = []
    while offset < source.count {
      let scalar = source[offset]
      if scalar.properties.isWhitespace {
        offset += 1
        continue
      }
      if open.isEmpty {
        let sign = "-+".unicodeScalars.contains(scalar) && has(closing, at: offset + 1) ? scalar : nil
        if sign != nil || has(closing) {
          add(closing == "%}" ? .statementEnd : .outputEnd)
          offset += sign == nil ? 2 : 3
          return leave(sign: sign ?? " ", trims: closing == "%}")
        }
      }
      if scalar == "\"" || scalar == "'" {
        try readString(scalar)
      } else if Self.isDigit(scalar) {
        try readNumber()
      } else if scalar == "_" || scalar.properties.isXIDStart {
        let start = offset
        while offset < source.count, source[offset] == "_" || source[offset].properties.isXIDContinue { offset += 1 }
        add(.name(String(String.UnicodeScalarView(source[start..<offset]))), at: start)
      } else if let symbol = Self.symbols.first(where: { has($0) }) {
        if ["[", "(", "{"].contains(symbol) { open.append((symbol, offset)) }
        if let opening = Self.pairs[symbol] {
          guard open.popLast()?.symbol == opening else { throw Fault(offset, "a `\(symbol)` that closes nothing") }
        }
        add(.symbol(symbol))
        offset += symbol.unicodeScalars.count
      } else {
        throw Fault(offset, "`\(scalar)` has no meaning in a tag")
      }
    }
    if let last = open.last { throw Fault(last.offset, "a `\(last.symbol)` that nothing closes") }
    throw Fault(tag, "a tag that no `\(closing)` ends")
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  private mutating func skipDigits() {
    while offset < source.count, Self.isDigit(source[offset]) || source[offset] == "_" { offset += 1 }
  }

  private mutating func readNumber() throws(Fault) {
    let start = offset
    let source = source
    func isDigit(_ place: Int) -> Bool { place < source.count && Self.isDigit(source[place]) }
    skipDigits()
    var isFloat = false
    if offset < source.count, source[offset] == ".", isDigit(offset + 1) {
      isFloat = true
      offset += 1
      skipDigits()
    }
    if offset < source.count, source[offset] == "e" || source[offset] == "E" {
      let signed = offset + 1 < source.count && "+-".unicodeScalars.contains(source[offset + 1]) ? 2 : 1
      if isDigit(offset + signed) {
        isFloat = true
        offset += signed
        skipDigits()
      }
    }
    let text = String(String.UnicodeScalarView(source[start..<offset].filter { $0 != "_" }))
    if isFloat, let value = Double(text) { return add(.float(value), at: start) }
    guard let value = Int(text) else { throw Fault(start, "the number `\(text)` is too large") }
    add(.integer(value), at: start)
  }

  private mutating func readString(_ quote: Unicode.Scalar) throws(Fault) {
    let start = offset
    var text = String.UnicodeScalarView()
    offset += 1
    while offset < source.count, source[offset] != quote {
      if source[offset] == "\\", offset + 1 < source.count {
        try readEscape(into: &text)
      } else {
        text.append(source[offset])
        offset += 1
      }
    }
    guard offset < source.count else { throw Fault(start, "a string that no quote ends") }
    offset += 1
    add(.string(String(text)), at: start)
  }

  /// As Python reads escapes; those that it does not know stay as they are.
  private mutating func readEscape(into text: inout String.UnicodeScalarView) throws(Fault) {
    let start = offset
    let scalar = source[offset + 1]
    let plain: [Unicode.Scalar: Unicode.Scalar] = [
      "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}", "f": "\u{C}",
      "v": "\u{B}",
    ]
    let lengths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
    offset += 2
    if scalar == "\n" { return }
    if let meaning = plain[scalar] { return text.append(meaning) }
    if let length = lengths[scalar] {
      let digits = source[offset..<min(offset + length, source.count)]
      guard digits.count == length, let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16),
        let meaning = Unicode.Scalar(value)
      else { throw Fault(start, "an escape that stands for no character") }
      text.append(meaning)
      offset += length
      return
    }
    if ("0"..."7").contains(scalar) || scalar == "N" { throw Fault(start, "escapes of this kind are not supported") }
    text.append("\\")
    text.append(scalar)
  }
}
