/// A JSON Schema: of its keywords those that say of which types, with which keys and within which limits a value is.
import JSONText

struct JSONShape: Sendable {
  struct Malformed: Error { let message: String }

  private let schema: JSONValue

  private static let keywords: Set<String> = [
    "type", "enum", "required", "properties", "additionalProperties", "items", "minItems", "maxItems", "minLength",
    "maxLength", "minimum", "maximum", "title", "description", "$schema",
  ]
  private static let types: Set<String> = ["object", "array", "string", "number", "integer", "boolean", "null"]

  static let anything = JSONShape(schema: [:])

  private init(schema: JSONValue) { self.schema = schema }

  /// Throws where the text is no JSON, or has a keyword that is not known here.
  init(_ text: String) throws(Malformed) {
    let value: Result<JSONValue, JSONError> = Array(text.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      do throws(JSONError) { return .success(try reader.onlyValue()) } catch { return .failure(error) }
    }
    switch value {
    case .success(let schema):
      try Self.check(schema)
      self.schema = schema
    case .failure(let error): throw Malformed(message: "no JSON: \(error)")
    }
  }

  private static func check(_ schema: JSONValue) throws(Malformed) {
    guard let members = schema.members else { throw Malformed(message: "\(schema.kind), expected an object") }
    for member in members {
      guard keywords.contains(member.key) else {
        throw Malformed(message: "the keyword `\(member.key)`; known are \(keywords.sorted().joined(separator: ", "))")
      }
      switch member.key {
      case "properties":
        guard let properties = member.value.members else { throw wrong(member, "an object") }
        for property in properties { try check(property.value) }
      case "items": try check(member.value)
      case "type":
        for type in member.value.elements ?? [member.value] where !types.contains(type.string ?? "") {
          throw wrong(member, types.sorted().joined(separator: ", "))
        }
      case "enum": if member.value.elements == nil { throw wrong(member, "a list") }
      case "required":
        guard let names = member.value.elements, names.allSatisfy({ $0.string != nil }) else {
          throw wrong(member, "a list of texts")
        }
      case "additionalProperties": if member.value.bool == nil { throw wrong(member, "true or false") }
      case "title", "description", "$schema": break
      default: if member.value.double == nil { throw wrong(member, "a number") }
      }
    }
  }

  private static func wrong(_ member: JSONMember, _ expected: String) -> Malformed {
    Malformed(message: "`\(member.key)` is \(member.value.kind), expected \(expected)")
  }

  func fits(_ value: JSONValue) -> Bool {
    let types = schema["type"].map { ($0.elements ?? [$0]).compactMap(\.string) }
    if let types, !types.contains(where: { Self.isOfType(value, $0) }) { return false }
    if let words = schema["enum"]?.elements, !words.contains(value) { return false }
    func within(_ size: Double, _ least: String, _ most: String) -> Bool {
      size >= schema[least]?.double ?? -.infinity && size <= schema[most]?.double ?? .infinity
    }
    switch value {
    case .object(let members):
      let properties = schema["properties"]
      return (schema["required"]?.elements ?? []).allSatisfy { value[$0.string ?? ""] != nil }
        && members.allSatisfy { member in
          guard let own = properties?[member.key] else { return schema["additionalProperties"]?.bool != false }
          return JSONShape(schema: own).fits(member.value)
        }
    case .array(let elements):
      return within(Double(elements.count), "minItems", "maxItems")
        && elements.allSatisfy { element in schema["items"].map { JSONShape(schema: $0).fits(element) } ?? true }
    case .string(let text): return within(Double(text.unicodeScalars.count), "minLength", "maxLength")
    case .number: return value.double.map { within($0, "minimum", "maximum") } ?? false
    case .bool, .null: return true
    }
  }

  private static func isOfType(_ value: JSONValue, _ type: String) -> Bool {
    switch value {
    case .object: type == "object"
    case .array: type == "array"
    case .string: type == "string"
    case .number: type == "number" || type == "integer" && value.double.map { $0 == $0.rounded() } ?? false
    case .bool: type == "boolean"
    case .null: type == "null"
    }
  }
}
