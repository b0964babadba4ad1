/// tokenizer.json as read from disk.
import Basics
import Foundation
import JSONText

/// The parts of tokenizer.json, or of what stands for it; the vocabulary is already a table.
struct TokenizerFile {
  /// For messages.
  let name: String
  /// Whether it is a tokenizer.json, which says all.
  let isWhole: Bool
  let fields: TokenizerFields
  let model: Model

  init(_ folder: URL, _ settings: TokenizerSettings) throws {
    var url = folder.appending(path: "tokenizer.json")
    let data: Data
    isWhole = ForeignFile.exists(url)
    if !isWhole, let kind = settings.kind,
      let files = try VocabularyFiles(folder: folder, of: kind, settings.fields)
    {
      (url, data) = (files.file, files.document)
    } else {
      data = try readFile(url, atMost: 256 << 20)
    }
    name = url.lastPathComponent
    (fields, model) = try readJSON(data, of: url) { reader in
      var values: JSONValue = [:]
      // At its start: which of its fields count is known once all others are read.
      var model: JSONReader?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "model":
          model = reader
          try reader.skip()
        case "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "truncation", "extra_special_tokens":
          values[key] = try reader.value()
        default: try reader.skip()
        }
      }
      let fields = try TokenizerFields(values, path: "", file: url.path)
      guard var model else { throw fields.invalid("model", found: "missing", expected: "an object") }
      let kind = try settings.kind(over: fields)
      let unknown = try settings.name("unk_token", of: kind).map { JSONValue.string($0) } ?? .null
      let replacement = kind?.model(unknown: unknown) ?? [:]
      let file = kind == nil ? url.path : "\(url.path), read as tokenizer_config.json says"
      return (fields, try Model(&model, replacement: replacement, file: file))
    }
  }
}

/// Throws `.unreadable`.
func readFile(_ url: URL, atMost limit: Int) throws -> Data {
  do {
    return try ForeignFile.mapped(url, in: url.deletingLastPathComponent(), atMost: limit)
  } catch {
    throw TokenizerError.unreadable(file: url.path, reason: "\(error)")
  }
}

/// What `body` reads of the only value of a file of the model's folder. Throws `.malformed`.
func readJSON<T>(_ data: Data, of url: URL, _ body: (inout JSONReader) throws -> T) throws -> T {
  try data.withUnsafeBytes { bytes in
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
