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
        case "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "truncation":
          values[key] = try reader.value()
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
  let truncationSide: TruncationSide?
  /// The normalizer that transformers' BertTokenizer makes of this file's keys; absent if the file is for another class.
  let bertNormalizer: BertNormalizer?

  /// The words that transformers' RobertaTokenizer and GPT2Tokenizer make of this file's keys; absent if the file is for
  /// another class.
  let byteLevel: ByteLevel?

  private static let byteLevelClasses = ["RobertaTokenizer", "GPT2Tokenizer"].flatMap { [$0, $0 + "Fast"] }

  /// Names of BertTokenizer, and of MPNetTokenizer, which reads the same keys; without a name, one of BertTokenizer's
  /// keys stands for it.
  private static let (bertClasses, bertKeys) = (
    ["BertTokenizer", "BertTokenizerFast", "MPNetTokenizer", "MPNetTokenizerFast"],
    ["do_lower_case", "strip_accents", "tokenize_chinese_chars"]
  )

  /// Says which of tokenizer.json's choices this file's replace.
  func notices(replacing stored: PreTokenizer) -> [String] {
    guard let byteLevel, case .byteLevel(let stored) = stored, byteLevel.addsPrefixSpace != stored.addsPrefixSpace
    else { return [] }
    return [
      "tokenizer_config.json and tokenizer.json contradict each other: as in transformers' RobertaTokenizer, the former "
        + "counts: add_prefix_space is \(byteLevel.addsPrefixSpace), not \(stored.addsPrefixSpace)"
    ]
  }

  func notices(replacing stored: Normalizer) -> [String] {
    guard let own = bertNormalizer, case .bert(let stored) = stored else { return [] }
    let changed = [
      ("lowercase", own.lowercases, stored.lowercases), ("strip_accents", own.stripsAccents, stored.stripsAccents),
      ("handle_chinese_chars", own.separatesIdeographs, stored.separatesIdeographs),
      ("clean_text", own.cleansText, stored.cleansText),
    ].filter { $1 != $2 }
    guard !changed.isEmpty else { return [] }
    return [
      "tokenizer_config.json and tokenizer.json contradict each other: as in transformers' BertTokenizer, the former "
        + "counts: " + changed.map { "\($0.0) is \($0.1), not \($0.2)" }.joined(separator: ", ")
    ]
  }

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

    let fields = try TokenizerFields(values, path: "", file: url.path)
    let side = try fields.string("truncation_side", default: "")
    truncationSide = TruncationSide(rawValue: side)
    guard side.isEmpty || truncationSide != nil else {
      throw fields.invalid("truncation_side", found: "\"\(side)\"", expected: "\"left\" or \"right\"")
    }
    let name = try fields.string("tokenizer_class", default: "")
    let isBert = name.isEmpty ? Self.bertKeys.contains { values[$0] != nil } : Self.bertClasses.contains(name)
    bertNormalizer = isBert ? try BertNormalizer(settings: fields) : nil
    let addsPrefixSpace = try fields.bool("add_prefix_space", default: false)
    byteLevel = Self.byteLevelClasses.contains(name) ? try ByteLevel(addsPrefixSpace: addsPrefixSpace) : nil
    guard try !fields.bool("split_special_tokens", default: false) else {
      throw fields.invalid("split_special_tokens", found: "true", expected: "false")
    }
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
