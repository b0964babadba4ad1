/// JSON as a value that keeps the order of members and the spelling of numbers.

package enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  /// The number as it is written: `0.10` stays `0.10`.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])
}

package struct JSONMember: Sendable, Hashable {
  package let key: String
  package var value: JSONValue

  package init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONValue {
  package static func int(_ value: Int) -> JSONValue { .number("\(value)") }
  /// The shortest text that reads back as the same value; `null` for what JSON has no number for.
  package static func double(_ value: Double) -> JSONValue { value.isFinite ? .number("\(value)") : .null }
  package static func float(_ value: Float) -> JSONValue { value.isFinite ? .number("\(value)") : .null }
  package static func optional(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }

  package var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }
  package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  package var string: String? { if case .string(let string) = self { string } else { nil } }
  package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
  /// A number that is written without fraction and exponent.
  package var int: Int? { digits.flatMap { Int($0) } }
  /// Any number that is not beyond the type's range.
  package var double: Double? { digits.flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil } }
  /// Read from the digits at once, so that the shortest text of a `Float` gives the same bits back.
  package var float: Float? { digits.flatMap { Float($0) }.flatMap { $0.isFinite ? $0 : nil } }

  private var digits: String? { if case .number(let digits) = self { digits } else { nil } }

  /// An object's value at `key`. Setting keeps the key's place or appends; setting `nil` removes the key.
  package subscript(key: String) -> JSONValue? {
    get { members?.first { $0.key == key }?.value }
    set {
      var members = self.members ?? []
      let place = members.firstIndex { $0.key == key }
      switch (place, newValue) {
      case (let place?, let value?): members[place].value = value
      case (let place?, nil): members.remove(at: place)
      case (nil, let value?): members.append(JSONMember(key, value))
      case (nil, nil): return
      }
      self = .object(members)
    }
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

/// Not by `nil`, which would be taken for the absence of a value.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .int(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0, $1) })
  }
}
