/// A pull scanner over JSON bytes: small subtrees become `JSONValue`, big vocabularies are read in place.
import Foundation

/// A parsed JSON subtree; `number` keeps doubles, which hold every id exactly.
enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
}

struct JSONScanner {
  private let bytes: [UInt8]
  private let file: String
  var position = 0
  private var depth = 0
  private static let depthLimit = 128

  /// Reads the whole file; throws `.unreadable`.
  init(contentsOf url: URL) throws {
    do {
      bytes = [UInt8](try Data(contentsOf: url, options: .mappedIfSafe))
    } catch {
      throw TokenizerError.unreadable(file: url.path, reason: error.localizedDescription)
    }
    file = url.path
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// Calls `member` at the value of each key; `member` must consume exactly that value.
  mutating func object(_ member: (_ key: String, _ scanner: inout JSONScanner) throws -> Void) throws {
    var key: [UInt8] = []
    try container(open: "{", close: "}") { scanner in
      key.removeAll(keepingCapacity: true)
      try scanner.string(into: &key)
      try scanner.expect(":")
      try member(String(decoding: key, as: UTF8.self), &scanner)
    }
  }

  /// Calls `member` with the key's bytes and the number of each member, without making strings.
  mutating func numbers(_ member: (_ key: [UInt8], _ value: Double) throws -> Void) throws {
    var key: [UInt8] = []
    try container(open: "{", close: "}") { scanner in
      key.removeAll(keepingCapacity: true)
      try scanner.string(into: &key)
      try scanner.expect(":")
      try member(key, try scanner.number())
    }
  }

  /// Calls `element` at each element, which it must consume.
  mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
    try container(open: "[", close: "]", element)
  }

  /// Parses the value here into a tree.
  mutating func value() throws -> JSONValue {
    switch peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSONValue] = [:]
      try object { key, scanner in members[key] = try scanner.value() }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try array { elements.append(try $0.value()) }
      return .array(elements)
    case UInt8(ascii: "\""):
      var text: [UInt8] = []
      try string(into: &text)
      return .string(String(decoding: text, as: UTF8.self))
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return .number(try number())
    }
  }

  /// Steps over the value here, checking no more than strings and brackets.
  mutating func skip() throws {
    var open = 0
    repeat {
      switch peek() {
      case UInt8(ascii: "\""): try skipString()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        open += 1
        position += 1
        continue
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        open -= 1
        position += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard open > 0 else { throw malformed("a value") }
        position += 1
        continue
      case nil: throw malformed("a value")
      default:
        let start = position
        while position < bytes.count, !Self.endsScalar[Int(bytes[position])] { position += 1 }
        guard position > start else { throw malformed("a value") }
      }
    } while open > 0
    guard open == 0 else { throw malformed("a value") }
  }

  /// Throws unless only white space is left.
  mutating func end() throws {
    guard peek() == nil else { throw malformed("the end of the file") }
  }

  /// Appends the UTF-8 of the string here, escapes resolved; a lone surrogate becomes U+FFFD.
  mutating func string(into text: inout [UInt8]) throws {
    guard peek() == UInt8(ascii: "\"") else { throw malformed("a string") }
    position += 1
    while true {
      let start = position
      while position < bytes.count, !Self.endsPlainText[Int(bytes[position])] { position += 1 }
      text.append(contentsOf: bytes[start..<position])
      guard position < bytes.count else { throw malformed("the end of a string") }
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return
      case UInt8(ascii: "\\"): try escape(into: &text)
      default: throw malformed("an escaped control character")
      }
    }
  }

  mutating func number() throws -> Double {
    _ = peek()
    let start = position
    var digits = 0
    while position < bytes.count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10 {
      digits = digits &* 10 &+ Int(digit)
      position += 1
    }
    let isPlain = position > start && position - start < 16
    if isPlain, position == bytes.count || Self.endsScalar[Int(bytes[position])] { return Double(digits) }
    while position < bytes.count, !Self.endsScalar[Int(bytes[position])] { position += 1 }
    guard position > start, let number = Double(String(decoding: bytes[start..<position], as: UTF8.self)),
      number.isFinite
    else {
      position = start
      throw malformed("a number")
    }
    return number
  }

  private mutating func container(
    open: Unicode.Scalar, close: Unicode.Scalar, _ element: (inout JSONScanner) throws -> Void
  ) throws {
    try expect(open)
    depth += 1
    guard depth <= Self.depthLimit else { throw malformed("at most \(Self.depthLimit) nested values") }
    defer { depth -= 1 }
    if peek() == UInt8(ascii: close) {
      position += 1
      return
    }
    while true {
      try element(&self)
      if peek() == UInt8(ascii: ",") {
        position += 1
      } else {
        return try expect(close)
      }
    }
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard position + 1 < bytes.count else { throw malformed("an escape") }
    let letter = bytes[position + 1]
    if letter == UInt8(ascii: "u") {
      var code = try hexadecimal(at: position + 2)
      position += 6
      if (0xD800..<0xDC00).contains(code), position + 5 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u"), case let low = try hexadecimal(at: position + 2),
        (0xDC00..<0xE000).contains(low)
      {
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        position += 6
      }
      text.append(contentsOf: UTF8.encode(Unicode.Scalar(code) ?? "\u{FFFD}")!)
      return
    }
    guard let plain = Self.escapes[letter] else { throw malformed("an escape") }
    text.append(plain)
    position += 2
  }

  private func hexadecimal(at start: Int) throws -> UInt32 {
    guard start + 4 <= bytes.count, bytes[start] != UInt8(ascii: "+"),
      let code = UInt32(String(decoding: bytes[start..<start + 4], as: UTF8.self), radix: 16)
    else { throw malformed("four hexadecimal digits") }
    return code
  }

  private mutating func skipString() throws {
    position += 1
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else { throw malformed("the end of a string") }
    position += 1
  }

  private mutating func literal(_ text: String, _ value: JSONValue) throws -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw malformed("a value") }
    position += text.utf8.count
    return value
  }

  private mutating func expect(_ character: Unicode.Scalar) throws {
    guard peek() == UInt8(ascii: character) else { throw malformed("\"\(character)\"") }
    position += 1
  }

  /// The next byte that is not white space.
  private mutating func peek() -> UInt8? {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
      position += 1
    }
    return nil
  }

  private func malformed(_ expected: String) -> TokenizerError {
    let before = bytes[..<min(position, bytes.count)]
    let column = before.reversed().prefix { $0 != 0x0A }.count { $0 & 0xC0 != 0x80 } + 1
    let found =
      position < bytes.count
      ? "\"\(String(decoding: bytes[position...].prefix(12), as: UTF8.self))\"" : "the end of the file"
    return .malformed(
      file: file, line: before.count { $0 == 0x0A } + 1, column: column, found: found, expected: expected)
  }

  private static let endsScalar = (0..<256).map { " \t\r\n,:]}{[\"".utf8.contains(UInt8($0)) }
  private static let endsPlainText = (0..<256).map { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }
  private static let escapes: [UInt8: UInt8] = [
    0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
  ]
}
