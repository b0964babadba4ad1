/// Typed reading of one small object of tokenizer.json, with errors that name the field and the file.

struct TokenizerFields {
  private let members: [String: JSONValue]
  private let path: String
  private let file: String

  init(_ members: [String: JSONValue], path: String, file: String) {
    self.members = members
    self.path = path
    self.file = file
  }

  init(_ value: JSONValue, path: String, file: String) throws {
    guard case .object(let members) = value else {
      throw TokenizerError.invalid(field: path, found: value.kind, expected: "an object", file: file)
    }
    self.init(members, path: path, file: file)
  }

  var keys: [String] { members.keys.sorted() }

  func string(_ key: String, default fallback: String? = nil) throws -> String {
    try read(key, "a string", fallback) { if case .string(let text) = $0 { text } else { nil } }
  }

  func bool(_ key: String, default fallback: Bool? = nil) throws -> Bool {
    try read(key, "true or false", fallback) { if case .bool(let flag) = $0 { flag } else { nil } }
  }

  func int(_ key: String, default fallback: Int? = nil) throws -> Int {
    try read(key, "a whole number", fallback) { if case .number(let number) = $0 { Int(exactly: number) } else { nil } }
  }

  func id(_ key: String) throws -> Int32 {
    try read(key, "an id", nil) { if case .number(let number) = $0 { Int32(exactly: number) } else { nil } }
  }

  func ids(_ key: String) throws -> [Int32] {
    try array(key).map { element in
      guard case .number(let number) = element, let id = Int32(exactly: number) else {
        throw invalid(key, found: element.kind, expected: "ids")
      }
      return id
    }
  }

  /// The id of a `["token", id]` pair.
  func tokenAndID(_ key: String) throws -> Int32 {
    let pair = try array(key)
    guard pair.count == 2, case .number(let number) = pair[1], let id = Int32(exactly: number) else {
      throw invalid(key, found: "a list of \(pair.count)", expected: "[token, id]")
    }
    return id
  }

  func array(_ key: String) throws -> [JSONValue] {
    try read(key, "a list", nil) { if case .array(let elements) = $0 { elements } else { nil } }
  }

  /// The objects of a list, each with its place.
  func objects(_ key: String) throws -> [TokenizerFields] {
    try array(key).enumerated().map { index, element in
      try TokenizerFields(element, path: "\(place(key))[\(index)]", file: file)
    }
  }

  /// The object at `key`; nil if the key is absent or null.
  func object(_ key: String) throws -> TokenizerFields? {
    guard let value = members[key], value != .null else { return nil }
    return try TokenizerFields(value, path: place(key), file: file)
  }

  func invalid(_ key: String, found: String, expected: String) -> TokenizerError {
    .invalid(field: place(key), found: found, expected: expected, file: file)
  }

  func unsupported(_ type: String, supported: [String]) -> TokenizerError {
    .unsupported(component: path, type: type, supported: supported, file: file)
  }

  private func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func read<T>(_ key: String, _ expected: String, _ fallback: T?, _ cast: (JSONValue) -> T?) throws -> T {
    guard let value = members[key], value != .null else {
      if let fallback { return fallback }
      throw invalid(key, found: "missing", expected: expected)
    }
    guard let result = cast(value) else { throw invalid(key, found: value.kind, expected: expected) }
    return result
  }
}

extension JSONValue {
  /// For error messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool(let flag): "\(flag)"
    case .number(let number): "the number \(number)"
    case .string(let text): "\"\(text.prefix(40))\""
    case .array: "a list"
    case .object: "an object"
    }
  }
}
