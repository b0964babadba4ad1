/// tokenizer.json and tokenizer_config.json as read from disk.
import Foundation

/// The parts of tokenizer.json; the vocabulary is already a table.
struct TokenizerFile {
  let fields: TokenizerFields
  let addedTokens: [AddedToken]
  let model: Model

  init(_ url: URL) throws {
    var scanner = try JSONScanner(contentsOf: url)
    var members: [String: JSONValue] = [:]
    var model: Model?
    try scanner.object { key, scanner in
      if key == "model" {
        model = try Model(&scanner, file: url.path)
      } else {
        members[key] = try scanner.value()
      }
    }
    try scanner.end()
    fields = TokenizerFields(members, path: "", file: url.path)
    guard let model else { throw fields.invalid("model", found: "missing", expected: "an object") }
    self.model = model
    addedTokens = members["added_tokens"] == nil ? [] : try fields.objects("added_tokens").map(AddedToken.init)
  }
}

/// What tokenizer_config.json adds: it is optional.
struct TokenizerSettings {
  let modelMaxLength: Int?
  let padToken: String?

  init(folder: URL) throws {
    let url = folder.appending(path: "tokenizer_config.json")
    guard FileManager.default.fileExists(atPath: url.path) else {
      modelMaxLength = nil
      padToken = nil
      return
    }
    var scanner = try JSONScanner(contentsOf: url)
    guard case .object(let members) = try scanner.value() else {
      throw TokenizerError.invalid(field: "the file", found: "no object", expected: "an object", file: url.path)
    }
    try scanner.end()
    // Python writes 1e30 for "no limit".
    if case .number(let length) = members["model_max_length"], length < 1e9 {
      modelMaxLength = Int(length)
    } else {
      modelMaxLength = nil
    }
    switch members["pad_token"] {
    case .string(let token): padToken = token
    case .object(let fields): padToken = if case .string(let token) = fields["content"] { token } else { nil }
    default: padToken = nil
    }
  }
}
