/// Tokenizer files that ask for too much, and added tokens where they are many and in each other's way.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct HostileTokenizerTests {
  @Test(arguments: [
    (#""max_input_chars_per_word":100"#, #""max_input_chars_per_word":1000000"#, "a whole number from 0 to 1000"),
    (
      #""continuing_subword_prefix":""#, #""continuing_subword_prefix":"\#(String(repeating: "-", count: 63))"#,
      "at most 64 bytes"
    ),
    (
      #""single":[{"Sequence":{"id":"A""#, #""single":[{"Sequence":{"id":"B""#,
      "single is a template of B, expected A, once"
    ),
    (#""pair":[{"Sequence":{"id":"B""#, #""pair":[{"Sequence":{"id":"A""#, "expected A and B, each once"),
    (#""ids":[2]"#, #""ids":[\#(Array(repeating: "2", count: 1025).joined(separator: ","))]"#, "expected at most 1024"),
  ])
  func `a file that asks for too much is refused at its field`(old: String, new: String, message: String) throws {
    let json = tokenizerJSON()
    #expect(json.contains(old))
    let folder = try ScratchFolder()
    try folder.write(json.replacing(old, with: new), to: "tokenizer.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder.url) }
    let text = try #require(error).description
    #expect(text.contains("tokenizer.json: ") && text.contains(message), "\(text)")
  }

  @Test(arguments: ["tokenizer.json", "tokenizer_config.json"])
  func `a named pipe is refused, not waited for`(name: String) throws {
    let folder = try ScratchFolder()
    try folder.write(tokenizerJSON(), to: "tokenizer.json")
    let file = folder.url.appending(path: name)
    try? FileManager.default.removeItem(at: file)  // the settings are not there
    #expect(mkfifo(file.path, 0o600) == 0)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder.url) }
    #expect(try #require(error).description.contains("\(name): cannot be read: found a named pipe"))
  }

  @Test func `the longest pattern at each place is found, of equal ones the first`() {
    var random = SplitMix(state: 3)
    for _ in 0..<3000 {
      func word(_ most: Int) -> [UInt8] {
        (0..<Int.random(in: 0...most, using: &random)).map { _ in UInt8.random(in: 97...99, using: &random) }
      }
      let patterns = (0..<Int.random(in: 0...8, using: &random)).map { _ in word(5) }
      let text = word(24)
      let expected = text.indices.reversed().compactMap { place -> [Int]? in
        let found = patterns.indices.filter { !patterns[$0].isEmpty && text[place...].starts(with: patterns[$0]) }
        let best = found.max { (patterns[$0].count, -$0) < (patterns[$1].count, -$1) }
        return best.map { [place, $0] }
      }
      var found: [[Int]] = []
      text.withUnsafeBufferPointer { text in PatternMatcher(patterns).forEach(in: text) { found.append([$0, $1]) } }
      #expect(found == expected, "\(patterns) in \(text)")
    }
  }

  @Test func `added tokens that take the same white space are found without a crash`() throws {
    let folder = try ScratchFolder()
    let tokens =
      #"{"id":6,"content":"x","rstrip":true,"normalized":false},{"id":7,"content":" ","lstrip":true,"normalized":false}"#
    try folder.write(tokenizerJSON(added: tokens), to: "tokenizer.json")
    let tokenizer = try Tokenizer(folder: folder.url)
    #expect(tokenizer.encode("x   un", maxLength: nil).ids == [6, 7, 7, 7, 4, 2])
  }

  @Test func `an added token has the id that the vocabulary gives it, and who reads another in the file is told`()
    throws
  {
    let folder = try ScratchFolder()
    let tokens = ["x", "un", "y", "x"].map { #"{"id":2147483647,"content":"\#($0)","normalized":false}"# }
    try folder.write(tokenizerJSON(added: tokens.joined(separator: ",")), to: "tokenizer.json")
    let tokenizer = try Tokenizer(folder: folder.url)
    #expect(tokenizer.encode("x un y", maxLength: nil).ids == [6, 4, 7, 2])
    #expect(tokenizer.notices.count == 3)
    #expect(tokenizer.notices[1].contains(#"the added token "un" the id 2147483647"#))
  }

  /// Six pieces; a template with the special token 2 after the text.
  private func tokenizerJSON(added: String = "") -> String {
    """
    {"added_tokens":[\(added)],
     "normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},
     "post_processor":{"type":"TemplateProcessing",
      "single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[CLS]","type_id":0}}],
      "pair":[{"Sequence":{"id":"B","type_id":0}},{"Sequence":{"id":"A","type_id":1}}],
      "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]}}},
     "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
      "vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"un":4,"##want":5}}}
    """
  }
}
