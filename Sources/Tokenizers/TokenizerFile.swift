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
      if !isWhole { try Self.refuseSentencePiece(folder) }
      data = try readFile(url, atMost: 256 << 20)
    }
    name = url.lastPathComponent
    (fields, model) = try readJSON(data, of: url) { reader in
      var values: JSONValue = [:]
      // What counts of a model's fields is known once the words are; files have these before it, but need not.
      var (model, waiting): (Model?, JSONReader?) = (nil, nil)
      func readModel(_ reader: inout JSONReader) throws -> Model {
        let kind = try settings.kind(over: TokenizerFields(values, path: "", file: url.path))
        let unknown = try settings.name("unk_token", of: kind).map { JSONValue.string($0) } ?? .null
        return try Model(
          &reader, replacement: kind?.model(unknown: unknown) ?? [:],
          file: kind == nil ? url.path : "\(url.path), read as tokenizer_config.json and config.json say")
      }
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "model" where values["pre_tokenizer"] != nil: model = try readModel(&reader)
        case "model":
          waiting = reader
          try reader.skip()
        case "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation",
          "extra_special_tokens":
          values[key] = try reader.value()
        default: try reader.skip()
        }
      }
      let fields = try TokenizerFields(values, path: "", file: url.path)
      if var waiting { model = try readModel(&waiting) }
      guard let model else { throw fields.invalid("model", found: "missing", expected: "an object") }
      return (fields, model)
    }
  }
}

extension TokenizerFile {
  /// Says why a model of sentencepiece alone is not read, if there is one.
  private static func refuseSentencePiece(_ folder: URL) throws {
    for name in ["tokenizer.model", "spiece.model"] {
      let model = folder.appending(path: name)
      guard !ForeignFile.exists(model) else {
        throw TokenizerError.invalid(
          field: "the vocabulary", found: "a model of sentencepiece alone, whose words depend on a model's own program",
          expected: "tokenizer.json beside it; transformers writes one with "
            + "AutoTokenizer.from_pretrained(…).save_pretrained(…)",
          file: model.path)
      }
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
