/// A strict JSON reader for untrusted bytes: duplicate keys, deep nesting and malformed text are errors with an offset.

package struct JSONSyntaxError: Error, Equatable {
  /// Bytes from the start.
  package let offset: Int
  package let found: String
  package let expected: String
}

/// RFC 8259 in UTF-8, without a byte order mark; numbers must be finite.
struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let maximumDepth: Int
  private var position = 0
  private var depth = 0

  static func parse(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
    let value = try parser.value()
    parser.skipSpace()
    if parser.position < bytes.count { throw parser.error("the end of the document") }
    return value
  }

  private init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func error(_ expected: String, found: String? = nil) -> JSONSyntaxError {
    let byte = current.map { (0x20..<0x7f).contains($0) ? "'\(UnicodeScalar($0))'" : "byte \($0)" }
    return JSONSyntaxError(offset: position, found: found ?? byte ?? "the end", expected: expected)
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
  }

  /// Takes `byte` if it comes next, after white space.
  private mutating func takes(_ byte: UnicodeScalar) -> Bool {
    skipSpace()
    guard current == UInt8(ascii: byte) else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONValue {
    skipSpace()
    guard let byte = current else { throw error("a JSON value") }
    switch UnicodeScalar(byte) {
    case "{": return try nested { parser throws(JSONSyntaxError) in .object(try parser.members()) }
    case "[": return try nested { parser throws(JSONSyntaxError) in .array(try parser.elements()) }
    case "\"": return .string(try string())
    case "t": return try word("true", .bool(true))
    case "f": return try word("false", .bool(false))
    case "n": return try word("null", .null)
    case "-", "0"..."9": return try number()
    default: throw error("a JSON value")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONSyntaxError) -> JSONValue
  ) throws(JSONSyntaxError) -> JSONValue {
    if depth == maximumDepth { throw error("at most \(maximumDepth) levels", found: "deeper nesting") }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  private mutating func members() throws(JSONSyntaxError) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    var keys: Set<String> = []
    if takes("}") { return members }
    repeat {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw error("a key in quotes") }
      let key = try string()
      if !keys.insert(key).inserted { throw error("each key once", found: "\"\(key)\" again") }
      if !takes(":") { throw error("':' after \"\(key)\"") }
      members.append(JSONValue.Member(key: key, value: try value()))
    } while takes(",")
    if !takes("}") { throw error("',' or '}'") }
    return members
  }

  private mutating func elements() throws(JSONSyntaxError) -> [JSONValue] {
    var elements: [JSONValue] = []
    if takes("]") { return elements }
    repeat { elements.append(try value()) } while takes(",")
    if !takes("]") { throw error("',' or ']'") }
    return elements
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard current == word.utf8Start[index] else { throw error("\(word)") }
      position += 1
    }
    return value
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    var isInteger = true
    if current == UInt8(ascii: "-") { position += 1 }
    if current == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if current == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try digits()
    }
    if let byte = current, byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if let sign = current, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let int = Int(text) { return .int(int) }
    guard let double = Double(text), double.isFinite else { throw error("a finite number", found: text) }
    return .double(double)
  }

  private mutating func digits() throws(JSONSyntaxError) {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    if position == start { throw error("a digit") }
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    position += 1
    var text: [UInt8] = []
    while true {
      guard let byte = current, byte >= 0x20 else { throw error("a character or '\"'") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw error("UTF-8", found: "bytes that are not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): UTF8.encode(try escaped()).map { text += $0 }
      default: text.append(byte)
      }
    }
  }

  private mutating func escaped() throws(JSONSyntaxError) -> Unicode.Scalar {
    guard let byte = current else { throw error("an escape") }
    position += 1
    switch UnicodeScalar(byte) {
    case "\"": return "\""
    case "\\": return "\\"
    case "/": return "/"
    case "b": return "\u{8}"
    case "f": return "\u{c}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u":
      var code = try codeUnit()
      if (0xd800..<0xdc00).contains(code), takesLowSurrogateEscape() {
        let low = try codeUnit()
        guard (0xdc00..<0xe000).contains(low) else { throw error("a low surrogate") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("a pair of surrogates", found: "one alone") }
      return scalar
    default: throw error("an escape", found: "'\\\(UnicodeScalar(byte))'")
    }
  }

  private mutating func takesLowSurrogateEscape() -> Bool {
    guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    else { return false }
    position += 2
    return true
  }

  private mutating func codeUnit() throws(JSONSyntaxError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw error("four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
