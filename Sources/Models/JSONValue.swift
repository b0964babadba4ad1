/// JSON as a value that keeps the order of keys: configurations are read, changed in a few keys, and written again.

package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package let key: String
    package var value: JSONValue
  }

  /// An object's value at `key`. Setting keeps the key's place or appends; setting `nil` removes the key.
  package subscript(key: String) -> JSONValue? {
    get { members?.first { $0.key == key }?.value }
    set {
      var members = self.members ?? []
      let place = members.firstIndex { $0.key == key }
      switch (place, newValue) {
      case (let place?, let value?): members[place].value = value
      case (let place?, nil): members.remove(at: place)
      case (nil, let value?): members.append(Member(key: key, value: value))
      case (nil, nil): return
      }
      self = .object(members)
    }
  }

  package var members: [Member]? { if case .object(let members) = self { members } else { nil } }
  package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  package var string: String? { if case .string(let string) = self { string } else { nil } }
  package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
  package var int: Int? { if case .int(let int) = self { int } else { nil } }
  /// Any number.
  package var double: Double? {
    switch self {
    case .int(let int): Double(int)
    case .double(let double): double
    default: nil
    }
  }

  /// The text of the value, on one line or indented by two spaces a level.
  package func text(indented: Bool) -> String {
    var text = ""
    write(to: &text, indentation: indented ? "\n" : nil)
    return text
  }

  /// `indentation` is a line break and the spaces of the current level; `nil` for everything on one line.
  private func write(to text: inout String, indentation: String?) {
    func list(_ open: String, _ close: String, count: Int, item: (Int, String?) -> Void) {
      let inner = indentation.map { $0 + "  " }
      text += open
      for index in 0..<count {
        text += (index > 0 ? "," : "") + (inner ?? "")
        item(index, inner)
      }
      text += (count > 0 ? indentation ?? "" : "") + close
    }
    switch self {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .int(let int): text += String(int)
    case .double(let double): text += "\(double)"
    case .string(let string): text += JSONValue.quoted(string)
    case .array(let elements):
      list("[", "]", count: elements.count) { elements[$0].write(to: &text, indentation: $1) }
    case .object(let members):
      list("{", "}", count: members.count) {
        text += JSONValue.quoted(members[$0].key) + (indentation == nil ? ":" : ": ")
        members[$0].value.write(to: &text, indentation: $1)
      }
    }
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case "\0"..<" ":
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .int(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { Member(key: $0, value: $1) })
  }
  package init(nilLiteral: ()) { self = .null }
}
