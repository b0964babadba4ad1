/// Reads JSON (RFC 8259) from UTF-8 bytes: whole values, or members and elements one by one where there are many.

/// A reader of untrusted bytes, which must outlive it. A copy reads on from where it was made.
///
///     try reader.beginObject()
///     while let key = try reader.nextKey() { … }  // reads or skips the value
package struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  let end: Int
  /// Of the next byte, from the start of `bytes`.
  package internal(set) var offset: Int
  private let maximumDepth: Int
  private var depth = 0
  private var isBeforeFirst = false

  /// Reads `bytes` after their byte order mark, if they have one, or that `range` of them.
  package init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>? = nil, maximumDepth: Int = 128) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    offset = range?.lowerBound ?? (bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0)
    end = range?.upperBound ?? bytes.count
  }

  /// The next byte that is not white space.
  package mutating func peek() -> Unicode.Scalar? {
    while offset < end {
      let byte = bytes[offset]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return Unicode.Scalar(byte) }
      offset += 1
    }
    return nil
  }

  /// The value here, of any size. Its objects have each key once.
  package mutating func value() throws(JSONError) -> JSONValue {
    switch peek() {
    case "{":
      var members: [JSONMember] = []
      var keys: Set<String> = []
      try beginObject()
      while try next("}") {
        let start = offset
        let key = try key()
        guard isNew(key, in: members, &keys) else {
          throw error("each key once", found: "\(key.debugDescription) again", at: start)
        }
        members.append(JSONMember(key, try value()))
      }
      return .object(members)
    case "[":
      var elements: [JSONValue] = []
      try beginArray()
      while try nextElement() { elements.append(try value()) }
      return .array(elements)
    case "\"": return .string(try string())
    case let first? where first.startsNumber: return .number(String(decoding: try number(), as: UTF8.self))
    case "t": return try word("true", .bool(true))
    case "f": return try word("false", .bool(false))
    case "n": return try word("null", .null)
    default: throw error("a value")
    }
  }

  /// The value here, after which there must be nothing.
  package mutating func onlyValue() throws(JSONError) -> JSONValue {
    let value = try value()
    try finish()
    return value
  }

  /// Throws unless only white space is left.
  package mutating func finish() throws(JSONError) {
    if peek() != nil { throw error("the end") }
  }

  /// Steps over the value here, of which only quotes, brackets, words and numbers are checked.
  package mutating func skip() throws(JSONError) {
    switch peek() {
    case "{":
      try beginObject()
      while try next("}") {
        _ = try stringBytes()
        try colon()
        try skip()
      }
    case "[":
      try beginArray()
      while try nextElement() { try skip() }
    case "\"": _ = try stringBytes()
    default: _ = try value()
    }
  }

  package mutating func beginObject() throws(JSONError) { try begin("{") }
  package mutating func beginArray() throws(JSONError) { try begin("[") }

  /// Steps to the next member's value; `nil` after the object's end. Whether keys recur is up to the caller.
  package mutating func nextKey() throws(JSONError) -> String? { try next("}") ? try key() : nil }

  /// As `nextKey()`, the key's UTF-8 replacing what is in `key`; `false` after the object's end.
  package mutating func nextKey(into key: inout [UInt8]) throws(JSONError) -> Bool {
    guard try next("}") else { return false }
    try string(into: &key)
    try colon()
    return true
  }

  /// Steps to the next element; `false` after the list's end.
  package mutating func nextElement() throws(JSONError) -> Bool { try next("]") }

  private mutating func begin(_ open: Unicode.Scalar) throws(JSONError) {
    guard peek() == open else { throw error("`\(open)`") }
    if depth == maximumDepth { throw error("at most \(maximumDepth) levels", found: "deeper nesting") }
    offset += 1
    depth += 1
    isBeforeFirst = true
  }

  /// Takes the comma, if there must be one, or the end.
  private mutating func next(_ close: Unicode.Scalar) throws(JSONError) -> Bool {
    let isFirst = isBeforeFirst
    isBeforeFirst = false
    let byte = peek()
    if byte == close {
      offset += 1
      depth -= 1
      return false
    }
    if !isFirst {
      guard byte == "," else { throw error("`,` or `\(close)`") }
      offset += 1
      _ = peek()
    }
    return true
  }

  private mutating func key() throws(JSONError) -> String {
    guard peek() == "\"" else { throw error("a key in double quotes") }
    let key = try string()
    try colon()
    return key
  }

  private mutating func colon() throws(JSONError) {
    guard peek() == ":" else { throw error("`:` after the key") }
    offset += 1
  }

  /// Compares with few members one by one, with many by the set of their `keys`.
  private func isNew(_ key: String, in members: [JSONMember], _ keys: inout Set<String>) -> Bool {
    if members.count < 16 { return !members.contains { $0.key == key } }
    if keys.isEmpty { keys = Set(members.map(\.key)) }
    return keys.insert(key).inserted
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[offset..<end].starts(with: word.utf8) else { throw error(word) }
    offset += word.utf8.count
    return value
  }

  /// An error at `offset`, or here; `found` is the next bytes unless it is given.
  func error(_ expected: String, found: String? = nil, at offset: Int? = nil) -> JSONError {
    let offset = offset ?? self.offset
    let rest = String(decoding: bytes[offset..<end].prefix(48), as: UTF8.self).unicodeScalars.prefix(12)
    let found = found ?? (rest.isEmpty ? "the end" : String(rest).debugDescription)
    return JSONError(offset: offset, found: found, expected: expected)
  }
}
