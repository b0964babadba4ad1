/// Writes JSON values as text. The same value gives the same text.

package enum JSONLayout: Sendable {
  /// Without spaces and line breaks.
  case line
  /// Indented by two spaces, with a line break at the end.
  case indented
  /// As `indented`, but a list of nothing but plain values is on one line: for people.
  case document
}

extension JSONValue {
  package func text(_ layout: JSONLayout = .line) -> String {
    var writer = JSONWriter(listsPlainValuesInline: layout == .document)
    writer.write(self, indentation: layout == .line ? nil : 0)
    return layout == .line ? writer.text : writer.text + "\n"
  }

  fileprivate var isPlain: Bool {
    switch self {
    case .array(let elements): elements.isEmpty
    case .object(let members): members.isEmpty
    default: true
    }
  }
}

private struct JSONWriter {
  let listsPlainValuesInline: Bool
  var text = ""

  /// `indentation` is in spaces; `nil` for everything on one line.
  mutating func write(_ value: JSONValue, indentation: Int?) {
    switch value {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .number(let digits): text += digits
    case .string(let string): write(string)
    case .array(let elements):
      let isInline = listsPlainValuesInline && elements.allSatisfy(\.isPlain)
      list(elements, "[", "]", indentation, isInline: isInline) { $0.write($1, indentation: $2) }
    case .object(let members):
      list(members, "{", "}", indentation, isInline: false) {
        $0.write($1.key)
        $0.text += $2 == nil ? ":" : ": "
        $0.write($1.value, indentation: $2)
      }
    }
  }

  private mutating func list<Item>(
    _ items: [Item], _ open: String, _ close: String, _ indentation: Int?, isInline: Bool,
    item write: (inout JSONWriter, Item, Int?) -> Void
  ) {
    let inner = isInline || items.isEmpty ? nil : indentation.map { $0 + 2 }
    let separator = isInline && indentation != nil ? ", " : ","
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += separator }
      breakLine(inner)
      write(&self, item, inner)
    }
    if inner != nil { breakLine(indentation) }
    text += close
  }

  private mutating func breakLine(_ indentation: Int?) {
    if let indentation { text += "\n" + String(repeating: " ", count: indentation) }
  }

  private mutating func write(_ string: String) {
    text += "\""
    if string.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
      for scalar in string.unicodeScalars { write(escaped: scalar) }
    } else {
      text += string
    }
    text += "\""
  }

  private mutating func write(escaped scalar: Unicode.Scalar) {
    switch scalar {
    case "\"": text += "\\\""
    case "\\": text += "\\\\"
    case "\n": text += "\\n"
    case "\r": text += "\\r"
    case "\t": text += "\\t"
    case "\0"..<" ":
      let digits = String(scalar.value, radix: 16)
      text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: text.unicodeScalars.append(scalar)
    }
  }
}
