/// What expressions of a template give: Python's values, as far as templates have them.
import JSONText

indirect enum Value {
  /// What is not there; the text says what was looked for.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case list([Value], isTuple: Bool)
  case dictionary(Dictionary)
  case namespace(Frame)
  case function(Function)
  case loop(LoopState)
}

/// Members in order; keys are strings, numbers, booleans or none.
struct Dictionary {
  private(set) var members: [(key: Value, value: Value)] = []
  /// Places of members with strings as keys, by these strings' bytes.
  private var places: [[UInt8]: Int] = [:]

  init(_ members: [(key: Value, value: Value)] = []) { for member in members { self[member.key] = member.value } }

  subscript(key: Value) -> Value? {
    get { place(of: key).map { members[$0].value } }
    set {
      guard let newValue else { return }
      if let place = place(of: key) { return members[place].value = newValue }
      if case .string(let text) = key { places[Array(text.utf8)] = members.count }
      members.append((key, newValue))
    }
  }

  subscript(key: String) -> Value? { places[Array(key.utf8)].map { members[$0].value } }

  private func place(of key: Value) -> Int? {
    if case .string(let text) = key { return places[Array(text.utf8)] }
    return members.firstIndex { $0.key.equals(key) }
  }
}

/// What can be called.
enum Function {
  case macro(Macro, Frame)
  case method(Value, String)
  case global(String)
}

/// What a loop's `loop` tells.
final class LoopState {
  var index = 0
  let items: [Value]
  let depth: Int
  /// The last value that `changed` was asked of.
  var last: [Value]?
  /// What a call of `loop` runs; nil unless the loop is recursive.
  let body: (loop: Loop, frame: Frame)?

  init(_ items: [Value], depth: Int, body: (loop: Loop, frame: Frame)?) {
    (self.items, self.depth, self.body) = (items, depth, body)
  }
}

/// Names with values: a scope, or a namespace.
final class Frame {
  private var values: [String: Value] = [:]
  let parent: Frame?

  init(_ parent: Frame? = nil) { self.parent = parent }

  /// Its own, or that of a scope around it.
  func find(_ name: String) -> Value? {
    var frame: Frame? = self
    while let current = frame {
      if let value = current.values[name] { return value }
      frame = current.parent
    }
    return nil
  }

  func set(_ name: String, _ value: Value) { values[name] = value }
}

extension Value {
  init(_ json: JSONValue) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .number(let digits): self = Int(digits).map { .int($0) } ?? .double(Double(digits) ?? .nan)
    case .string(let text): self = .string(text)
    case .array(let elements): self = .list(elements.map { Value($0) }, isTuple: false)
    case .object(let members):
      self = .dictionary(Dictionary(members.map { (.string($0.key), Value($0.value)) }))
    }
  }

  static func list(_ values: [Value]) -> Value { .list(values, isTuple: false) }
  static func pair(_ first: Value, _ second: Value) -> Value { .list([first, second], isTuple: true) }

  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let number): number != 0
    case .double(let number): number != 0
    case .string(let text): !text.isEmpty
    case .list(let values, _): !values.isEmpty
    case .dictionary(let dictionary): !dictionary.members.isEmpty
    case .namespace, .function, .loop: true
    }
  }

  /// Its kind, for messages.
  var kind: String {
    switch self {
    case .undefined(let what): "missing \(what)"
    case .none: "none"
    case .bool: "a boolean"
    case .int, .double: "a number"
    case .string: "a string"
    case .list(_, let isTuple): isTuple ? "a tuple" : "a list"
    case .dictionary: "a dictionary"
    case .namespace: "a namespace"
    case .function: "a function"
    case .loop: "a loop"
    }
  }

  var number: Double? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let number): Double(number)
    case .double(let number): number
    default: nil
    }
  }

  /// A whole number; booleans are 0 and 1.
  var integer: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let number): number
    default: nil
    }
  }

  func equals(_ other: Value) -> Bool {
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let a), .string(let b)): return a.utf8.elementsEqual(b.utf8)
    case (.list(let a, let isTuple), .list(let b, let other)):
      return isTuple == other && a.count == b.count && zip(a, b).allSatisfy { $0.equals($1) }
    case (.dictionary(let a), .dictionary(let b)):
      return a.members.count == b.members.count
        && a.members.allSatisfy { member in b[member.key].map { $0.equals(member.value) } ?? false }
    case (.namespace(let a), .namespace(let b)): return a === b
    default:
      if let a = integer, let b = other.integer { return a == b }
      if let a = number, let b = other.number { return a == b }
      return false
    }
  }

  /// What comes first, of strings, numbers and lists.
  func precedes(_ other: Value) throws(Unfit) -> Bool {
    switch (self, other) {
    case (.string(let a), .string(let b)):
      return a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
    case (.list(let a, let isTuple), .list(let b, let other)) where isTuple == other:
      for (a, b) in zip(a, b) where !a.equals(b) { return try a.precedes(b) }
      return a.count < b.count
    default:
      if let a = integer, let b = other.integer { return a < b }
      guard let a = number, let b = other.number else {
        throw Unfit("\(kind) and \(other.kind) have no order")
      }
      return a < b
    }
  }

  /// What a loop over it has.
  func items() throws(Unfit) -> [Value] {
    switch self {
    case .undefined: return []
    case .string(let text): return text.unicodeScalars.map { .string(String($0)) }
    case .list(let values, _): return values
    case .dictionary(let dictionary): return dictionary.members.map(\.key)
    default: throw Unfit("\(kind) has no items")
    }
  }

  func contains(_ value: Value) throws(Unfit) -> Bool {
    switch self {
    case .string(let text):
      guard case .string(let part) = value else { throw Unfit("\(value.kind) cannot be in a string") }
      return text.find(part) != nil
    case .dictionary(let dictionary): return dictionary[value] != nil
    default: return try items().contains { $0.equals(value) }
    }
  }
}
