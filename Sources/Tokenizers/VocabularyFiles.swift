/// A folder's vocabulary files without a tokenizer.json, as older folders come: what they say, in its terms.
import Basics
import Foundation
import JSONText

struct VocabularyFiles {
  /// The file that errors name.
  let file: URL
  /// tokenizer.json as far as these files say it: `model`, `normalizer`, `added_tokens`.
  let document: Data

  private static let limit = 256 << 20  // bytes

  /// Nil if there is no file of a vocabulary that this class reads.
  init?(folder: URL, of kind: TokenizerClass, _ settings: TokenizerFields) throws {
    func bytes(_ name: String) throws -> Data {
      let url = folder.appending(path: name)
      do {
        return try ForeignFile.mapped(url, in: folder, atMost: Self.limit)
      } catch { throw TokenizerError.unreadable(file: url.path, reason: "\(error)") }
    }
    /// As the tokenizers library reads lines.
    func lines(_ name: String) throws -> [Substring] {
      guard let text = String(validating: try bytes(name), as: UTF8.self) else {
        throw TokenizerError.invalid(
          field: "the file", found: "not UTF-8", expected: "UTF-8", file: folder.appending(path: name).path)
      }
      var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
      if lines.last?.isEmpty == true { lines.removeLast() }
      return lines.map { Substring($0) }
    }
    let name =
      switch kind.modelType {
      case "WordPiece": "vocab.txt"
      case "Unigram": "sentencepiece.bpe.model"
      default: "vocab.json"
      }
    let file = folder.appending(path: name)
    self.file = file
    guard ForeignFile.exists(file) else { return nil }
    let parts: [String]
    switch kind {
    case .bert, .mpnet:
      let pieces = try lines(name).enumerated().map { number, line in
        let end = line.unicodeScalars.lastIndex { !$0.properties.isWhitespace }
        let piece = end.map { String(line.unicodeScalars[...$0]) } ?? ""
        return "\(JSONValue.string(piece).text()):\(number)"
      }
      parts = [#"{"model":{"vocab":{"#, pieces.joined(separator: ","), "}}}"]
    case .xlmRoberta:
      let path = file.path
      let model = try bytes(name).withUnsafeBytes { try SentencePieceFile($0, file: path) }
      parts = [try Self.document(model, settings, file: path)]
    case .roberta, .gpt2, .qwen2:
      let vocabulary = try bytes(name)
      let merges = folder.appending(path: "merges.txt")
      try vocabulary.withUnsafeBytes { bytes in
        var reader = JSONReader(bytes)
        do {
          try reader.skip()
          try reader.finish()
        } catch let error as JSONError {
          let (line, column) = error.place(in: bytes)
          throw TokenizerError.malformed(
            file: file.path, line: line, column: column, found: error.found, expected: error.expected)
        }
      }
      guard let text = String(validating: vocabulary, as: UTF8.self) else {
        throw TokenizerError.invalid(field: "the file", found: "not UTF-8", expected: "UTF-8", file: file.path)
      }
      let pairs = try lines(merges.lastPathComponent).map { line in
        JSONValue.string(line.hasSuffix("\r") ? String(line.dropLast()) : String(line)).text()
      }
      let start = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
      parts = [#"{"model":{"vocab":"#, start, #","merges":["#, pairs.joined(separator: ","), "]}}"]
    case .llama, .gemma:
      throw TokenizerError.invalid(
        field: "the vocabulary", found: "alone", expected: "tokenizer.json, as for every \(kind.rawValue)",
        file: file.path)
    }
    document = Data(parts.joined().utf8)
  }

  /// XLM-RoBERTa's ids, which fairseq gave: four special tokens, the pieces but the first three, and the mask.
  private static func document(
    _ model: SentencePieceFile, _ settings: TokenizerFields, file: String
  ) throws -> String {
    guard model.isUnigram else {
      throw TokenizerError.invalid(
        field: "trainer_spec.model_type", found: "not Unigram", expected: "Unigram", file: file)
    }
    func scored(_ piece: String, _ score: Float) -> JSONValue { [.string(piece), .double(Double(score))] }
    func special(_ key: String) throws -> JSONValue {
      let token = try settings.token(key)?.string("content") ?? TokenizerClass.xlmRoberta.specialTokens[key] ?? ""
      return scored(token, 0)
    }
    let vocabulary =
      try ["bos_token", "pad_token", "eos_token", "unk_token"].map(special)
      + model.pieces.dropFirst(3).map { scored($0.text, $0.score) } + [special("mask_token")]
    let normalizer: JSONValue =
      model.charsmap.isEmpty
      ? .null : ["type": "Precompiled", "precompiled_charsmap": .string(model.charsmap.base64EncodedString())]
    let extra = model.pieces.compactMap { piece -> JSONValue? in
      switch SentencePieceFile.Kind(rawValue: piece.kind) {
      case .control, .userDefined:
        [
          "content": .string(piece.text), "normalized": false,
          "special": .bool(piece.kind == SentencePieceFile.Kind.control.rawValue),
        ]
      default: nil
      }
    }
    let document: JSONValue = [
      "normalizer": normalizer, "extra_special_tokens": .array(extra), "model": ["vocab": .array(vocabulary)],
    ]
    return document.text()
  }
}
