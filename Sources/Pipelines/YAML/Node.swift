/// A YAML document as a tree in which every value knows its place.

/// A place in a file: line and column (in Unicode scalars), both from 1.
struct Mark: Hashable, Sendable, Comparable {
  var line: Int
  var column: Int
  /// Which of the files that `Diagnostics` knows.
  var source = 0

  static func < (left: Mark, right: Mark) -> Bool {
    (left.source, left.line, left.column) < (right.source, right.line, right.column)
  }
}

struct Node: Sendable {
  var value: Value
  var mark: Mark

  enum Value: Sendable {
    /// Typed by YAML 1.2's core rules, and as it is written.
    case scalar(ParameterValue, text: String)
    case sequence([Node])
    /// In the file's order, merged entries last, no key twice.
    case mapping([Entry])
    /// Something whose problem has been reported; whoever meets it stays silent.
    case invalid
  }

  struct Entry: Sendable {
    var key: String
    var mark: Mark
    var value: Node
  }

  /// The value of `key`, if this is a mapping that has it.
  subscript(key: String) -> Node? {
    guard case .mapping(let entries) = value else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// The value without its places; `nil` if part of it is invalid.
  var plainValue: ParameterValue? {
    switch value {
    case .scalar(let value, _): return value
    case .invalid: return nil
    case .sequence(let nodes):
      let values = nodes.compactMap(\.plainValue)
      return values.count == nodes.count ? .list(values) : nil
    case .mapping(let entries):
      let values = entries.compactMap { entry in entry.value.plainValue.map { (entry.key, $0) } }
      return values.count == entries.count ? .map(Dictionary(values) { first, _ in first }) : nil
    }
  }

  /// Whether both are written alike, though one may be a text and one a number.
  func looks(like other: Node) -> Bool {
    guard case .scalar(_, let text) = value, case .scalar(_, let otherText) = other.value else { return false }
    return text == otherText
  }

  /// For messages: `the text “abc”`, `a list`.
  var inWords: String {
    switch value {
    case .scalar(.null, _): "nothing"
    case .scalar(.string, let text): "the text `\(text.shortened)`"
    case .scalar(_, let text): "`\(text.shortened)`"
    case .sequence: "a list"
    case .mapping: "a mapping"
    case .invalid: "an invalid value"
    }
  }
}
