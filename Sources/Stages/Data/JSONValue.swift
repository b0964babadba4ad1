/// A JSON value that keeps the order of keys and the spelling of numbers, and its text form.

package indirect enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  /// The number as it was written: `0.10` stays `0.10`.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([JSONField])

  package static func int(_ value: Int) -> JSONValue { .number(String(value)) }
  /// The shortest text that reads back as the same value; `null` where there is no number.
  package static func double(_ value: Double) -> JSONValue { value.isFinite ? .number("\(value)") : .null }
  package static func float(_ value: Float) -> JSONValue { value.isFinite ? .number("\(value)") : .null }
  package static func optional(_ value: Double?) -> JSONValue { value.map(JSONValue.double) ?? .null }
  package static func object(_ fields: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(fields.map { JSONField($0.key, $0.value) })
  }

  /// The value of the first field of that name; `nil` if this is no object or has none.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let fields) = self else { return nil }
    return fields.first { $0.key == key }?.value
  }

  /// For messages: what kind of value this is.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

package struct JSONField: Sendable, Hashable {
  package let key: String
  package let value: JSONValue
  package init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONValue {
  /// On one line, without spaces, as JSON lines are written.
  package var line: String {
    var text = ""
    write(to: &text, indent: nil)
    return text
  }

  /// Indented by two spaces, with a final line break, for people; lists of plain values stay on one line.
  package var document: String {
    var text = ""
    write(to: &text, indent: 0)
    return text + "\n"
  }

  private var isPlain: Bool {
    switch self {
    case .array(let values): values.isEmpty
    case .object(let fields): fields.isEmpty
    default: true
    }
  }

  private func write(to text: inout String, indent: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let digits): text += digits
    case .string(let value): Self.write(value, to: &text)
    case .array(let values):
      let inner = values.allSatisfy(\.isPlain) ? nil : indent.map { $0 + 2 }
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += inner == nil && indent != nil ? ", " : "," }
        Self.breakLine(&text, inner)
        value.write(to: &text, indent: inner)
      }
      if inner != nil { Self.breakLine(&text, indent) }
      text += "]"
    case .object(let fields):
      let inner = fields.isEmpty ? nil : indent.map { $0 + 2 }
      text += "{"
      for (index, field) in fields.enumerated() {
        if index > 0 { text += "," }
        Self.breakLine(&text, inner)
        Self.write(field.key, to: &text)
        text += inner == nil ? ":" : ": "
        field.value.write(to: &text, indent: inner)
      }
      if inner != nil { Self.breakLine(&text, indent) }
      text += "}"
    }
  }

  private static func breakLine(_ text: inout String, _ indent: Int?) {
    guard let indent else { return }
    text += "\n" + String(repeating: " ", count: indent)
  }

  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
