/// Typed reading of one small object of tokenizer.json, with errors that name the field and the file.
import JSONText

struct TokenizerFields {
  private let object: JSONValue
  private let path: String
  private let file: String

  init(_ value: JSONValue, path: String, file: String) throws {
    guard case .object = value else {
      throw TokenizerError.invalid(field: path, found: value.found, expected: "an object", file: file)
    }
    object = value
    self.path = path
    self.file = file
  }

  var keys: [String] { object.members?.map(\.key) ?? [] }

  /// The objects that are this one's values, by the UTF-8 of their keys.
  func objects() throws -> [[UInt8]: TokenizerFields] {
    let pairs = try (object.members ?? []).map { member in
      (Array(member.key.utf8), try TokenizerFields(member.value, path: place(member.key), file: file))
    }
    return Dictionary(pairs) { first, _ in first }
  }

  func string(_ key: String, default fallback: String? = nil) throws -> String {
    try read(key, "a string", fallback, \.string)
  }

  /// The case that a string names.
  func choice<T: RawRepresentable<String> & CaseIterable>(_ key: String, default fallback: T) throws -> T {
    let found = try string(key, default: fallback.rawValue)
    if let choice = T(rawValue: found) { return choice }
    let expected = T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
    throw invalid(key, found: "\"\(found.prefix(40))\"", expected: expected)
  }

  func bool(_ key: String, default fallback: Bool? = nil) throws -> Bool {
    try read(key, "true or false", fallback, \.bool)
  }

  func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>) throws -> Int {
    try read(key, "a whole number from \(range.lowerBound) to \(range.upperBound)", fallback) { value in
      value.int.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  func double(_ key: String, default fallback: Double) throws -> Double {
    try read(key, "a number", fallback, \.double)
  }

  func id(_ key: String) throws -> Int32 { try read(key, "an id", nil, \.id) }

  func ids(_ key: String) throws -> [Int32] {
    try array(key).map { element in
      guard let id = element.id else { throw invalid(key, found: element.found, expected: "ids") }
      return id
    }
  }

  /// The id of a `["token", id]` pair.
  func tokenAndID(_ key: String) throws -> Int32 {
    let pair = try array(key)
    guard pair.count == 2, let id = pair[1].id else {
      throw invalid(key, found: "a list of \(pair.count)", expected: "[token, id]")
    }
    return id
  }

  func array(_ key: String) throws -> [JSONValue] { try read(key, "a list", nil, \.elements) }

  /// The objects of a list, each with its place.
  func objects(_ key: String) throws -> [TokenizerFields] {
    try array(key).enumerated().map { index, element in
      try TokenizerFields(element, path: "\(place(key))[\(index)]", file: file)
    }
  }

  /// The objects of a list that a text goes through one after the other, so many that time is bounded.
  func steps(_ key: String) throws -> [TokenizerFields] {
    let steps = try objects(key)
    guard steps.count <= 64 else { throw invalid(key, found: "a list of \(steps.count)", expected: "at most 64") }
    return steps
  }

  /// The object at `key`; nil if the key is absent or null.
  func object(_ key: String) throws -> TokenizerFields? {
    guard let value = object[key], value != .null else { return nil }
    return try TokenizerFields(value, path: place(key), file: file)
  }

  /// The fields of a token; its bare name stands for a special one.
  func token(_ key: String) throws -> TokenizerFields? { try object[key].flatMap { try token($0, place(key)) } }

  func tokens(_ key: String) throws -> [TokenizerFields] {
    try array(key).enumerated().compactMap { try token($1, "\(place(key))[\($0)]") }
  }

  private func token(_ value: JSONValue, _ path: String) throws -> TokenizerFields? {
    if value == .null { return nil }
    let token: JSONValue = value.string.map { ["content": .string($0), "special": true] } ?? value
    return try TokenizerFields(token, path: path, file: file)
  }

  /// What there is at `key`, whatever it is; null if the key is absent.
  func value(_ key: String) -> JSONValue { object[key] ?? .null }

  func invalid(_ key: String, found: String, expected: String) -> TokenizerError {
    .invalid(field: place(key), found: found, expected: expected, file: file)
  }

  func unsupported(_ type: String, supported: [String]) -> TokenizerError {
    .unsupported(component: path, type: type, supported: supported, file: file)
  }

  private func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func read<T>(_ key: String, _ expected: String, _ fallback: T?, _ typed: (JSONValue) -> T?) throws -> T {
    guard let value = object[key], value != .null else {
      if let fallback { return fallback }
      throw invalid(key, found: "missing", expected: expected)
    }
    guard let result = typed(value) else { throw invalid(key, found: value.found, expected: expected) }
    return result
  }
}

extension JSONValue {
  fileprivate var id: Int32? { int.flatMap(Int32.init(exactly:)) }

  /// For messages: plain values as they are written, others by their kind.
  fileprivate var found: String {
    switch self {
    case .array, .object: kind
    default: String(text().prefix(40))
    }
  }
}
