/// A parameter's type as JSON Schema: what `ValueDecoder` accepts, or a `${…}` in its place.
import JSONText

extension ParameterDescription {
  /// With description and default.
  var schema: JSONValue {
    var schema = type.schema(documentation, nullable: defaultValue == .null)
    if let value = defaultValue, value != .null, value != .map([:]) { schema["default"] = value.json }
    return schema
  }
}

extension ParameterType {
  /// Matches a whole text that a value of any type takes the place of.
  static let placeholder = #"^\$\{(params|matrix)\.[^}]+\}$"#

  /// - Parameter nullable: whether nothing may stand there, for an absent value.
  func schema(_ description: String, nullable: Bool = false) -> JSONValue {
    var schema: JSONValue = [:]
    schema["description"] = .string(description)
    let type = merged
    if let words = type.words {
      let own: JSONValue = ["enum": .array(words.map { .string($0) } + (nullable ? [.null] : []))]
      schema["anyOf"] = [own, ["$ref": "#/$defs/placeholder"]]
      return schema
    }
    schema["type"] = .array(
      (type.names + (type.names.contains("string") ? [] : ["string"]) + (nullable ? ["null"] : [])).map { .string($0) })
    for keyword in type.keywords { schema[keyword.key] = keyword.value }
    if !type.names.contains("string") { schema["pattern"] = .string(Self.placeholder) }
    return schema
  }

  /// Names of JSON's types, and keywords about their values.
  private struct Shape {
    var names: [String]
    var keywords: [JSONMember] = []
    /// All that it may be, where these are a few words.
    var words: [String]?
  }

  private var merged: Shape {
    switch self {
    case .bool: Shape(names: ["boolean"])
    case .int(let range):
      Shape(names: ["integer"], keywords: limits(range.map { (.int($0.lowerBound), .int($0.upperBound)) }, .int(.max)))
    case .double(let range):
      Shape(
        names: ["number"],
        keywords: limits(
          range.map { (.double($0.lowerBound), .double($0.upperBound)) }, .double(.greatestFiniteMagnitude)))
    case .string: Shape(names: ["string"])
    case .choice(let words): Shape(names: ["string"], words: words)
    case .list(let element): Shape(names: ["array"], keywords: [JSONMember("items", element.schema(""))])
    case .map(let element): Shape(names: ["object"], keywords: [JSONMember("additionalProperties", element.schema(""))])
    case .group(let declared):
      Shape(
        names: ["object"],
        keywords: [
          JSONMember("properties", .object(declared.map { JSONMember($0.name, $0.schema) })),
          JSONMember("required", .array(declared.filter { $0.defaultValue == nil }.map { .string($0.name) })),
          JSONMember("additionalProperties", false),
        ])
    case .either(let first, let second):
      // Keywords of different types do not meet.
      Shape(
        names: first.merged.names + second.merged.names, keywords: first.merged.keywords + second.merged.keywords)
    }
  }

  private func limits(_ range: (JSONValue, JSONValue)?, _ open: JSONValue) -> [JSONMember] {
    guard let (lower, upper) = range else { return [] }
    return [JSONMember("minimum", lower)] + (upper == open ? [] : [JSONMember("maximum", upper)])
  }
}

extension ParameterValue {
  fileprivate var json: JSONValue {
    switch self {
    case .null: .null
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .double(let value): .double(value)
    case .string(let value): .string(value)
    case .list(let values): .array(values.map(\.json))
    case .map(let values): .object(values.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.json) })
    }
  }
}
