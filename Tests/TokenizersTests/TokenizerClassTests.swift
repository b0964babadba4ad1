/// Files of a tokenizer that contradict each other are read as transformers' classes read them.
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct TokenizerClassTests {
  /// Made by Tests/Fixtures/generate/folders.py.
  private let golden: JSONValue
  private let scratch: ScratchFolder

  init() throws {
    golden = try Self.read(fixtures.appending(path: "folders/tokenizers.json"))
    scratch = try ScratchFolder()
  }

  private static func read(_ file: URL) throws -> JSONValue {
    try Data(contentsOf: file).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  /// The tokenizer of a case's two files.
  private func tokenizer(_ name: String) throws -> (Tokenizer, JSONValue) {
    let files = try #require(golden["cases"]?[name])
    var tokenizer = try Self.read(fixtures.appending(path: "pytorch/base/tokenizer.json"))
    tokenizer["normalizer"] = files["normalizer"]
    tokenizer["truncation"] = files["truncation"]
    try scratch.write(tokenizer.text(), to: "tokenizer.json")
    try scratch.write(try #require(files["config"]).text(), to: "tokenizer_config.json")
    return (try Tokenizer(folder: scratch.url), files)
  }

  private func numbers(_ value: JSONValue?) -> [Int32]? { value?.elements?.compactMap { $0.int.map { Int32($0) } } }

  @Test(arguments: [
    "agreeing", "do_lower_case-false", "lowercase-false", "lowercase-false-without-key", "other-class", "no-class",
    "fast-class", "strip_accents-false", "accents-kept-by-tokenizer.json", "tokenize_chinese_chars-false",
    "truncation_side-left", "direction-left", "direction-left-side-right",
  ])
  func `ids are those of transformers`(name: String) throws {
    let (tokenizer, files) = try tokenizer(name)
    let texts = try #require(golden["texts"]?.elements).compactMap(\.string)
    #expect(
      texts.map { tokenizer.encode($0, maxLength: 6).ids } == files["ids"]?.elements?.compactMap { numbers($0) })
    let pair = try #require(golden["pair"]?.elements).compactMap(\.string)
    #expect(try tokenizer.encode(pair: (pair[0], pair[1]), maxLength: 7).ids == numbers(files["pair"]))
  }

  @Test func `what tokenizer_config.json replaces is said, what it repeats is not`() throws {
    #expect(try tokenizer("agreeing").0.notices == [])
    #expect(try tokenizer("other-class").0.notices == [])
    let notices = try tokenizer("lowercase-false").0.notices
    #expect(notices.count == 1 && notices[0].contains("lowercase is true, not false, strip_accents is true, not false"))
  }

  @Test func `a side that is none is refused`() throws {
    _ = try tokenizer("agreeing")
    try scratch.write(#"{"truncation_side": "up"}"#, to: "tokenizer_config.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: scratch.url) }
    #expect("\(try #require(error))".contains(#"truncation_side is "up", expected "left" or "right""#))
  }

  @Test func `a space is put before a text where RobertaTokenizer's settings say so, whatever tokenizer.json says`()
    throws
  {
    let file = fixtures.appending(path: "tokenizers/bpe-roberta/tokenizer.json")
    try scratch.write(Data(contentsOf: file), to: "tokenizer.json")
    func tokenizer(_ config: String) throws -> Tokenizer {
      try scratch.write(config, to: "tokenizer_config.json")
      return try Tokenizer(folder: scratch.url)
    }
    let plain = try tokenizer(#"{"tokenizer_class": "RobertaTokenizer"}"#)
    let prefixed = try tokenizer(#"{"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": true}"#)
    let other = try tokenizer(#"{"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": true}"#)
    #expect(plain.encode("fox", maxLength: nil) != plain.encode(" fox", maxLength: nil))
    #expect(prefixed.encode("fox", maxLength: nil) == plain.encode(" fox", maxLength: nil))
    #expect(other.encode("fox", maxLength: nil) == plain.encode("fox", maxLength: nil))
    #expect(plain.notices == [] && other.notices == [])
    #expect(prefixed.notices.count == 1 && prefixed.notices[0].contains("add_prefix_space is true, not false"))
  }

  @Test func `special tokens that are to be split are refused`() throws {
    _ = try tokenizer("agreeing")
    try scratch.write(#"{"split_special_tokens": true}"#, to: "tokenizer_config.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: scratch.url) }
    #expect("\(try #require(error))".contains("split_special_tokens is true, expected false"))
  }
}
