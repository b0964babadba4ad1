/// A parameter's typed value after decoding: what enters the key, the job file and the lineage.
package indirect enum ParameterValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case list([ParameterValue])
  case map([String: ParameterValue])
}

extension ParameterValue {
  /// Whether a matrix takes both for one value: numbers count by what they are worth, `1` as `1.0`.
  func isSame(as other: ParameterValue) -> Bool {
    switch (self, other) {
    case (.int(let int), .double(let double)), (.double(let double), .int(let int)): Double(int) == double
    case (.list(let values), .list(let others)):
      values.count == others.count && zip(values, others).allSatisfy { $0.isSame(as: $1) }
    case (.map(let values), .map(let others)):
      values.count == others.count && values.allSatisfy { key, value in others[key].map(value.isSame) ?? false }
    default: self == other
    }
  }
}

extension ParameterValue: Codable {
  /// A pipeline's values are nested in no more than 64 levels, and lie in a few more where they are stored. Every kind
  /// that is asked for in vain costs the length of the path, so that a deep file of others would take minutes.
  private static let mostLevels = 100

  package init(from decoder: any Decoder) throws {
    guard decoder.codingPath.count <= Self.mostLevels else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: [], debugDescription: "nested in more than \(Self.mostLevels) levels"))
    }
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {  // `try?` asks for the type; the last one throws
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .int(value)
    } else if let value = try? container.decode(Double.self) {
      self = .double(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([ParameterValue].self) {
      self = .list(value)
    } else {
      self = .map(try container.decode([String: ParameterValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .int(let value): try container.encode(value)
    case .double(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .list(let values): try container.encode(values)
    case .map(let values): try container.encode(values)
    }
  }
}

/// The shape that a parameter's value must have; checks, help texts and the JSON Schema come from it.
package indirect enum ParameterType: Sendable {
  case bool
  case int(ClosedRange<Int>?)
  case double(ClosedRange<Double>?)
  case string
  case choice([String])
  case list(ParameterType)
  case map(ParameterType)
  case group([ParameterDescription])
  case either(ParameterType, ParameterType)
}

/// A Swift type that a `@Parameter` may have.
package protocol ParameterConvertible: Sendable {
  static var parameterType: ParameterType { get }
  /// Whether an absent value is `nil` instead of an error.
  static var isOptional: Bool { get }
  /// From a value that was already checked against `parameterType`; `nil` if it was not.
  init?(parameter: ParameterValue)
  var parameterValue: ParameterValue { get }
}

extension ParameterConvertible {
  package static var isOptional: Bool { false }
}

extension Bool: ParameterConvertible {
  package static var parameterType: ParameterType { .bool }
  package init?(parameter: ParameterValue) {
    guard case .bool(let value) = parameter else { return nil }
    self = value
  }
  package var parameterValue: ParameterValue { .bool(self) }
}

extension Int: ParameterConvertible {
  package static var parameterType: ParameterType { .int(nil) }
  package init?(parameter: ParameterValue) {
    guard case .int(let value) = parameter else { return nil }
    self = value
  }
  package var parameterValue: ParameterValue { .int(self) }
}

extension Double: ParameterConvertible {
  package static var parameterType: ParameterType { .double(nil) }
  package init?(parameter: ParameterValue) {
    switch parameter {
    case .double(let value): self = value
    case .int(let value): self = Double(value)
    default: return nil
    }
  }
  package var parameterValue: ParameterValue { .double(self) }
}

extension String: ParameterConvertible {
  package static var parameterType: ParameterType { .string }
  package init?(parameter: ParameterValue) {
    guard case .string(let value) = parameter else { return nil }
    self = value
  }
  package var parameterValue: ParameterValue { .string(self) }
}

extension Array: ParameterConvertible where Element: ParameterConvertible {
  package static var parameterType: ParameterType { .list(Element.parameterType) }
  package init?(parameter: ParameterValue) {
    guard case .list(let values) = parameter else { return nil }
    let elements = values.compactMap(Element.init(parameter:))
    guard elements.count == values.count else { return nil }
    self = elements
  }
  package var parameterValue: ParameterValue { .list(map(\.parameterValue)) }
}

extension Dictionary: ParameterConvertible where Key == String, Value: ParameterConvertible {
  package static var parameterType: ParameterType { .map(Value.parameterType) }
  package init?(parameter: ParameterValue) {
    guard case .map(let values) = parameter else { return nil }
    let elements = values.compactMapValues(Value.init(parameter:))
    guard elements.count == values.count else { return nil }
    self = elements
  }
  package var parameterValue: ParameterValue { .map(mapValues(\.parameterValue)) }
}

extension Optional: ParameterConvertible where Wrapped: ParameterConvertible {
  package static var parameterType: ParameterType { Wrapped.parameterType }
  package static var isOptional: Bool { true }
  package init?(parameter: ParameterValue) {
    if case .null = parameter {
      self = .none
    } else if let value = Wrapped(parameter: parameter) {
      self = .some(value)
    } else {
      return nil
    }
  }
  package var parameterValue: ParameterValue { self?.parameterValue ?? .null }
}

/// A parameter that is one of a few words: `enum Strategy: String, ParameterChoice { case random, nearest }`.
package protocol ParameterChoice: ParameterConvertible, CaseIterable, RawRepresentable where RawValue == String {}

extension ParameterChoice {
  package static var parameterType: ParameterType { .choice(allCases.map(\.rawValue)) }
  package init?(parameter: ParameterValue) {
    guard case .string(let word) = parameter else { return nil }
    self.init(rawValue: word)
  }
  package var parameterValue: ParameterValue { .string(rawValue) }
}

/// A parameter that is one word or a list: `target_modules: all-linear | [query, value]`.
package enum WordOrList: ParameterConvertible, Hashable {
  case word(String)
  case list([String])

  package static var parameterType: ParameterType { .either(.string, .list(.string)) }
  package init?(parameter: ParameterValue) {
    if let word = String(parameter: parameter) {
      self = .word(word)
    } else if let list = [String](parameter: parameter) {
      self = .list(list)
    } else {
      return nil
    }
  }
  package var parameterValue: ParameterValue {
    switch self {
    case .word(let word): .string(word)
    case .list(let list): list.parameterValue
    }
  }
}
