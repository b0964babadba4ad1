/// Reads JSON (RFC 8259) from UTF-8 bytes, value by value, and says at which byte it stopped understanding.

struct JSONSyntaxError: Error {
  let offset: Int
  let message: String
}

/// Reads one value after another; the bytes are UTF-8 that was validated before, and outlive the reader.
struct JSONReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset: Int
  private let end: Int
  private static let deepest = 200

  init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>? = nil) {
    self.bytes = bytes
    offset = range?.lowerBound ?? 0
    end = range?.upperBound ?? bytes.count
  }

  /// Whether nothing but white space is left.
  mutating func isAtEnd() -> Bool {
    skipSpace()
    return offset == end
  }

  /// The next value, which must be the last one.
  mutating func onlyValue() throws(JSONSyntaxError) -> JSONValue {
    let value = try value()
    guard isAtEnd() else { throw fail("text after the end of the JSON value") }
    return value
  }

  mutating func value(depth: Int = 0) throws(JSONSyntaxError) -> JSONValue {
    skipSpace()
    guard depth < Self.deepest else { throw fail("nested deeper than \(Self.deepest) levels") }
    switch peek {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case nil: throw fail("the text ends where a value was expected")
    default: return try number()
    }
  }

  /// A key in double quotes and the colon after it.
  mutating func key() throws(JSONSyntaxError) -> String {
    skipSpace()
    guard peek == UInt8(ascii: "\"") else { throw fail("expected a key in double quotes") }
    let key = try string()
    guard skip(UInt8(ascii: ":")) else { throw fail("expected `:` after the key `\(key)`") }
    return key
  }

  /// Steps over `byte` after white space, if it comes next.
  mutating func skip(_ byte: UInt8) -> Bool {
    skipSpace()
    guard peek == byte else { return false }
    offset += 1
    return true
  }

  private var peek: UInt8? { offset < end ? bytes[offset] : nil }

  func fail(_ message: String, at offset: Int? = nil) -> JSONSyntaxError {
    JSONSyntaxError(offset: offset ?? self.offset, message: message)
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || (0x09...0x0D).contains(byte) && byte != 0x0B && byte != 0x0C { offset += 1 }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    let start = offset
    for index in 0..<word.utf8CodeUnitCount {
      guard peek == word.utf8Start[index] else { throw fail("unknown word, expected \(word)", at: start) }
      offset += 1
    }
    return value
  }

  private mutating func object(_ depth: Int) throws(JSONSyntaxError) -> JSONValue {
    offset += 1
    var fields: [JSONField] = []
    if skip(UInt8(ascii: "}")) { return .object(fields) }
    repeat {
      skipSpace()
      let start = offset
      let key = try key()
      guard !fields.contains(where: { $0.key == key }) else { throw fail("the key `\(key)` occurs twice", at: start) }
      fields.append(JSONField(key, try value(depth: depth + 1)))
    } while skip(UInt8(ascii: ","))
    guard skip(UInt8(ascii: "}")) else { throw fail("expected `,` or `}` after a field") }
    return .object(fields)
  }

  private mutating func array(_ depth: Int) throws(JSONSyntaxError) -> JSONValue {
    offset += 1
    var values: [JSONValue] = []
    if skip(UInt8(ascii: "]")) { return .array(values) }
    repeat { values.append(try value(depth: depth + 1)) } while skip(UInt8(ascii: ","))
    guard skip(UInt8(ascii: "]")) else { throw fail("expected `,` or `]` after an element") }
    return .array(values)
  }

  /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = offset
    func digits(_ reader: inout JSONReader) -> Int {
      let first = reader.offset
      while let byte = reader.peek, (0x30...0x39).contains(byte) { reader.offset += 1 }
      return reader.offset - first
    }
    if peek == UInt8(ascii: "-") { offset += 1 }
    let leading = peek
    let count = digits(&self)
    guard count > 0, leading != UInt8(ascii: "0") || count == 1 else { throw fail("not a JSON value", at: start) }
    if peek == UInt8(ascii: ".") {
      offset += 1
      guard digits(&self) > 0 else { throw fail("a number needs digits after its point", at: start) }
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      offset += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { offset += 1 }
      guard digits(&self) > 0 else { throw fail("a number needs digits in its exponent", at: start) }
    }
    return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    let start = offset
    offset += 1
    var text = ""
    var run = offset
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        let last = String(decoding: bytes[run..<offset], as: UTF8.self)
        offset += 1
        return text.isEmpty ? last : text + last
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[run..<offset], as: UTF8.self)
        offset += 1
        text.unicodeScalars.append(try escape())
        run = offset
      case 0..<0x20: throw fail("a control character or line break inside a string")
      default: offset += 1
      }
    }
    throw fail("the string that begins here does not end", at: start)
  }

  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
    let start = offset - 1
    guard let byte = peek else { throw fail("the text ends inside an escape") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try hexadecimal()
      if let scalar = Unicode.Scalar(high) { return scalar }
      guard high < 0xDC00, peek == UInt8(ascii: "\\") else { throw fail("half of a surrogate pair", at: start) }
      offset += 1
      guard peek == UInt8(ascii: "u") else { throw fail("half of a surrogate pair", at: start) }
      offset += 1
      let low = try hexadecimal()
      guard (0xDC00...0xDFFF).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + low - 0xDC00)
      else { throw fail("half of a surrogate pair", at: start) }
      return scalar
    default: throw fail("unknown escape", at: start)
    }
  }

  private mutating func hexadecimal() throws(JSONSyntaxError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = peek.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw fail("\\u needs four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }
}
