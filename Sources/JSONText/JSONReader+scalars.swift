/// Strings and numbers, the leaves of JSON.

extension JSONReader {
  /// The string here, which must be UTF-8 and without lone surrogates.
  package mutating func string() throws(JSONError) -> String {
    let (content, isEscaped) = try stringBytes()
    guard isEscaped else { return try validated(bytes(content), at: content.lowerBound) }
    var text: [UInt8] = []
    try unescape(content, into: &text)
    return try validated(text, at: content.lowerBound)
  }

  /// As `string()`, its UTF-8 replacing what is in `text`.
  package mutating func string(into text: inout [UInt8]) throws(JSONError) {
    text.removeAll(keepingCapacity: true)
    try appendString(to: &text)
  }

  /// As `string()`, its UTF-8 behind what is in `text`.
  package mutating func appendString(to text: inout [UInt8]) throws(JSONError) {
    let (content, isEscaped) = try stringBytes()
    guard isUTF8(content) else {
      throw error("UTF-8", found: "bytes that are not UTF-8", at: content.lowerBound)
    }
    if isEscaped { try unescape(content, into: &text) } else { text.append(contentsOf: bytes(content)) }
  }

  /// The number here, written without fraction and exponent.
  package mutating func int() throws(JSONError) -> Int {
    guard peek()?.startsNumber == true else { throw error("a whole number") }
    let start = offset
    let text = String(decoding: try number(), as: UTF8.self)
    guard let int = Int(text) else { throw error("a whole number", found: text, at: start) }
    return int
  }

  /// The number here, rounded to the nearest `Double`; beyond the type's range it is infinite.
  package mutating func double() throws(JSONError) -> Double {
    guard peek()?.startsNumber == true else { throw error("a number") }
    let text = try number()
    return Self.quotient(text) ?? Double(String(decoding: text, as: UTF8.self)) ?? .infinity
  }

  /// What a number of at most 19 digits without exponent is: its digits divided by a power of ten. The quotient of the
  /// integers has 63 bits or more, and a bit for all those that follow, which is enough to round it once.
  private static func quotient(_ text: UnsafeRawBufferPointer) -> Double? {
    let isNegative = text[0] == UInt8(ascii: "-")
    var (digits, power): (UInt64, UInt64) = (0, 1)
    var isFraction = false
    guard text.count <= 20 else { return nil }
    for byte in text.dropFirst(isNegative ? 1 : 0) {
      if byte == UInt8(ascii: ".") {
        isFraction = true
        continue
      }
      guard case let digit = byte &- UInt8(ascii: "0"), digit < 10, digits < 1_000_000_000_000_000_000 else {
        return nil
      }
      digits = digits * 10 + UInt64(digit)
      if isFraction { power *= 10 }
    }
    guard digits > 0 else { return isNegative ? -0.0 : 0 }
    let (up, down) = (digits.leadingZeroBitCount, power.leadingZeroBitCount)
    let dividend = digits << UInt64(up)
    let (quotient, rest) = (power << UInt64(down)).dividingFullWidth((dividend >> 1, dividend << 63))
    let size = Double(sign: .plus, exponent: down - up - 63, significand: Double(quotient | (rest > 0 ? 1 : 0)))
    return isNegative ? -size : size
  }

  /// Steps over the number here: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  mutating func number() throws(JSONError) -> UnsafeRawBufferPointer {
    let start = offset
    takes("-")
    if !takes("0") { try digits() }
    if takes(".") { try digits() }
    if takes("e") || takes("E") {
      if !takes("+") { takes("-") }
      try digits()
    }
    return bytes(start..<offset)
  }

  /// Steps over the string here, of which only the quotes are checked: where its bytes are, and whether some are escapes.
  mutating func stringBytes() throws(JSONError) -> (content: Range<Int>, isEscaped: Bool) {
    guard peek() == "\"" else { throw error("a string") }
    let start = offset
    var isEscaped = false
    offset += 1
    while offset < end {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        offset += 1
        return (start + 1..<offset - 1, isEscaped)
      case UInt8(ascii: "\\"):
        isEscaped = true
        offset = min(offset + 2, end)
      case 0..<0x20: throw error("an escape for a control character in a string")
      default: offset += 1
      }
    }
    throw error("its closing quote", found: "a string that does not end", at: start)
  }

  private func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }

  /// Whether bytes are UTF-8 (The Unicode Standard, table 3-7).
  private func isUTF8(_ range: Range<Int>) -> Bool {
    var place = range.lowerBound
    while place < range.upperBound {
      let lead = bytes[place]
      place += 1
      if lead < 0x80 { continue }
      let count = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3
      guard 0xC2...0xF4 ~= lead, place + count <= range.upperBound else { return false }
      let least: UInt8 = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
      let most: UInt8 = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
      guard least...most ~= bytes[place] else { return false }
      for following in bytes[place + 1..<place + count] where following & 0xC0 != 0x80 { return false }
      place += count
    }
    return true
  }

  private func validated(_ utf8: some Collection<UInt8>, at start: Int) throws(JSONError) -> String {
    let text = String(decoding: utf8, as: UTF8.self)
    guard text.utf8.elementsEqual(utf8) else {
      throw error("UTF-8", found: "bytes that are not UTF-8", at: start)
    }
    return text
  }

  /// Appends the bytes of a string's `content` with its escapes resolved.
  private func unescape(_ content: Range<Int>, into text: inout [UInt8]) throws(JSONError) {
    var place = content.lowerBound
    while place < content.upperBound {
      if bytes[place] == UInt8(ascii: "\\") {
        let (scalar, length) = try escape(at: place)
        text.append(contentsOf: String(scalar).utf8)
        place += length
      } else {
        text.append(bytes[place])
        place += 1
      }
    }
  }

  private func escape(at place: Int) throws(JSONError) -> (scalar: Unicode.Scalar, length: Int) {
    switch Unicode.Scalar(bytes[place + 1]) {
    case "\"": return ("\"", 2)
    case "\\": return ("\\", 2)
    case "/": return ("/", 2)
    case "b": return ("\u{8}", 2)
    case "f": return ("\u{C}", 2)
    case "n": return ("\n", 2)
    case "r": return ("\r", 2)
    case "t": return ("\t", 2)
    case "u":
      guard let unit = codeUnit(at: place) else { throw error("four hexadecimal digits after \\u", at: place) }
      if let scalar = Unicode.Scalar(unit) { return (scalar, 6) }
      guard unit < 0xDC00, let low = codeUnit(at: place + 6), (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
      else { throw error("a pair of surrogates", at: place) }
      return (scalar, 12)
    default: throw error("an escape", at: place)
    }
  }

  /// Of the escape `\u0000` at `place`; `nil` if there is none.
  private func codeUnit(at place: Int) -> UInt32? {
    guard place + 6 <= end, bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u") else {
      return nil
    }
    var unit: UInt32 = 0
    for byte in bytes[place + 2..<place + 6] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      unit = unit << 4 | UInt32(digit)
    }
    return unit
  }

  private mutating func digits() throws(JSONError) {
    let start = offset
    while offset < end, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset]) { offset += 1 }
    if offset == start { throw error("a digit") }
  }

  @discardableResult
  private mutating func takes(_ character: Unicode.Scalar) -> Bool {
    guard offset < end, bytes[offset] == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }
}

extension Unicode.Scalar {
  var startsNumber: Bool { self == "-" || ("0"..."9").contains(self) }
}
