/// What a tokenizer says besides ids, and what it says of files that it cannot use.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

/// A tokenizer of nine pieces, with `changes` made to the text of its file.
private func folder(_ changes: [(String, String)] = [], config: String? = nil) throws -> ScratchFolder {
  var json = """
    {"added_tokens": [{"id": 1, "content": "[UNK]", "special": true}],
     "normalizer": {"type": "BertNormalizer", "lowercase": true},
     "pre_tokenizer": {"type": "BertPreTokenizer"},
     "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
     "model": {"vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "un": 4, "##want": 5, "##\\u00e9": 6,
       "##ed": 7, "한": 8}, "type": "WordPiece", "unk_token": "[UNK]"}}
    """
  for (old, new) in changes { json = json.replacing(old, with: new) }
  let folder = try ScratchFolder()
  try folder.write(json, to: "tokenizer.json")
  if let config { try folder.write(config, to: "tokenizer_config.json") }
  return folder
}

@Suite struct TokenizerTests {
  @Test func `a text is cut to the maximum length and says so`() throws {
    let files = try folder([("\"lowercase\": true", "\"lowercase\": true, \"strip_accents\": false")])
    let tokenizer = try Tokenizer(folder: files.url)
    #expect(
      tokenizer.encode("Unwanted xyz uné", maxLength: nil)
        == Encoding(
          ids: [2, 4, 5, 7, 1, 4, 6, 3], typeIDs: Array(repeating: 0, count: 8), contentTokens: 6, unknowns: 1))
    let cut = tokenizer.encode("Unwanted xyz", maxLength: 5)
    #expect(cut.ids == [2, 4, 5, 7, 3])
    #expect(cut.truncated && cut.contentTokens == 3 && cut.unknowns == 0)
    #expect(tokenizer.encode(" \t", maxLength: 5).contentTokens == 0)
    #expect(tokenizer.vocabularySize == 9)
    #expect(tokenizer.tokenToID("##é") == 6)
    #expect(tokenizer.tokenToID("##e\u{301}") == nil, "canonical equivalents are different pieces")
  }

  @Test func `the settings' pad token and maximum length are known`() throws {
    let bounded = try folder(config: #"{"model_max_length": 77, "pad_token": {"content": "[SEP]"}}"#)
    #expect(try Tokenizer(folder: bounded.url).modelMaxLength == 77)
    #expect(try Tokenizer(folder: bounded.url).padID == 3)
    let unbounded = try folder(config: #"{"model_max_length": 1000000000000000019884624838656}"#)
    #expect(try Tokenizer(folder: unbounded.url).modelMaxLength == nil)
    #expect(try Tokenizer(folder: unbounded.url).padID == 0)
  }

  @Test(arguments: [
    ("BertNormalizer", "normalizer"), ("BertPreTokenizer", "pre_tokenizer"), ("WordPiece", "model"),
    ("BertProcessing", "post_processor"),
  ])
  func `an unsupported component is named with its file`(type: String, component: String) throws {
    let files = try folder([("\"\(type)\"", "\"Peculiar\"")])
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
    let file = files.url.appending(path: "tokenizer.json").path
    #expect(error == .unsupported(component: component, type: "Peculiar", supported: supported(error), file: file))
    #expect(supported(error).contains(type))
  }

  @Test func `broken JSON is reported with file, line and column`() throws {
    let files = try folder([("\"##ed\": 7,", "\"##ed\" 7,")])
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
    let file = files.url.appending(path: "tokenizer.json").path
    guard case .malformed(file, let line, let column, _, "`:` after the key") = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(line == 6 && column == 11)
  }

  @Test func `a truncated file, a missing file and a missing unknown token are errors`() throws {
    let truncated = try ScratchFolder()
    let good = try folder()
    let whole = try Data(contentsOf: good.url.appending(path: "tokenizer.json"))
    for count in stride(from: 0, to: whole.count - 1, by: 7) {
      try truncated.write(whole.prefix(count), to: "tokenizer.json")
      #expect(throws: TokenizerError.self) { try Tokenizer(folder: truncated.url) }
    }
    let empty = try ScratchFolder()
    #expect(throws: TokenizerError.self) { try Tokenizer(folder: empty.url) }
    let unknown = try folder([("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"<unk>\"")])
    #expect(throws: TokenizerError.self) { try Tokenizer(folder: unknown.url) }
  }

  @Test func `token health warns above five percent only`() {
    var health = TokenHealth()
    for index in 0..<20 {
      health.add(Encoding(contentTokens: 5, unknowns: index < 5 ? 1 : 0, truncated: index == 0))
    }
    #expect(health.truncatedShare == 0.05 && health.unknownShare == 0.05)
    #expect(health.warning == nil)
    var worse = TokenHealth()
    worse.add(Encoding(contentTokens: 0, unknowns: 0, truncated: true))
    health.merge(worse)
    #expect(health.report == "21 texts, 100 tokens: 9.5 % of texts truncated, 5.0 % of tokens unknown")
    #expect(health.warning?.hasPrefix("9.5 % of texts are truncated") == true)
  }

  private func supported(_ error: TokenizerError?) -> [String] {
    if case .unsupported(_, _, let supported, _) = error { supported } else { [] }
  }
}
