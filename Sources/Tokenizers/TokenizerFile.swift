/// tokenizer.json and tokenizer_config.json as read from disk.
import Basics
import Foundation
import JSONText

/// The parts of tokenizer.json; the vocabulary is already a table.
struct TokenizerFile {
  let fields: TokenizerFields
  let addedTokens: [AddedToken]
  let model: Model

  init(_ url: URL) throws {
    let (values, model) = try readJSON(url, atMost: 256 << 20) { reader in
      var values: JSONValue = [:]
      var model: Model?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "model": model = try Model(&reader, file: url.path)
        case "added_tokens", "normalizer", "pre_tokenizer", "post_processor": values[key] = try reader.value()
        default: try reader.skip()
        }
      }
      return (values, model)
    }
    fields = try TokenizerFields(values, path: "", file: url.path)
    guard let model else { throw fields.invalid("model", found: "missing", expected: "an object") }
    self.model = model
    addedTokens = values["added_tokens"] == nil ? [] : try fields.objects("added_tokens").map(AddedToken.init)
  }
}

/// What tokenizer_config.json adds: it is optional.
struct TokenizerSettings {
  let modelMaxLength: Int?
  let padToken: String?

  init(folder: URL) throws {
    let url = folder.appending(path: "tokenizer_config.json")
    let values: JSONValue = ForeignFile.exists(url) ? try readJSON(url, atMost: 64 << 20) { try $0.value() } : [:]
    guard case .object = values else {
      throw TokenizerError.invalid(field: "the file", found: values.kind, expected: "an object", file: url.path)
    }
    // Python writes 1e30 for "no limit".
    modelMaxLength = values["model_max_length"]?.double.flatMap { (0..<1e9).contains($0) ? Int($0) : nil }
    let token = values["pad_token"]
    padToken = token?.string ?? token?["content"]?.string
  }
}

/// What `body` reads of the only value of a file of the model's folder. Throws `.unreadable` or `.malformed`.
private func readJSON<T>(_ url: URL, atMost limit: Int, _ body: (inout JSONReader) throws -> T) throws -> T {
  let data: Data
  do {
    data = try ForeignFile.mapped(url, in: url.deletingLastPathComponent(), atMost: limit)
  } catch {
    throw TokenizerError.unreadable(file: url.path, reason: "\(error)")
  }
  return try data.withUnsafeBytes { bytes in
    do {
      var reader = JSONReader(bytes)
      let value = try body(&reader)
      try reader.finish()
      return value
    } catch let error as JSONError {
      let (line, column) = error.place(in: bytes)
      throw TokenizerError.malformed(
        file: url.path, line: line, column: column, found: error.found, expected: error.expected)
    }
  }
}
