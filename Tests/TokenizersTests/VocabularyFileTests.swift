/// Folders with vocabulary files alone, as older ones come, are read as transformers' classes read them.
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct VocabularyFileTests {
  /// Made by Tests/Fixtures/generate/tokenizer_classes.py.
  private static let folder = fixtures.appending(path: "tokenizers/classes")
  private let golden: JSONValue
  private let scratch: ScratchFolder

  init() throws {
    golden = try Data(contentsOf: Self.folder.appending(path: "golden.json")).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    scratch = try ScratchFolder()
  }

  private func write(_ name: String) throws -> JSONValue {
    let files = try #require(golden["cases"]?[name])
    for file in try #require(files["files"]?.members) {
      let content = try #require(file.value.string)
      let model = Self.folder.appending(path: content)
      let bytes = file.key.hasSuffix(".model") ? try Data(contentsOf: model) : Data(content.utf8)
      try scratch.write(bytes, to: file.key)
    }
    try scratch.write(try #require(files["config"]).text(), to: "tokenizer_config.json")
    return files
  }

  @Test(arguments: [("CamembertTokenizer", 1), ("PreTrainedTokenizerFast", 0), ("BertTokenizerFast", 0)])
  func `a class that is not known here is told`(name: String, notices: Int) throws {
    let stored = fixtures.appending(path: "tokenizers/uncased/tokenizer.json")
    try scratch.write(Data(contentsOf: stored), to: "tokenizer.json")
    try scratch.write("{\"tokenizer_class\": \"\(name)\"}", to: "tokenizer_config.json")
    #expect(try Tokenizer(folder: scratch.url).notices.count { $0.contains("is none that is known here") } == notices)
  }

  @Test(arguments: ["tokenizer.model", "spiece.model"])
  func `a model of sentencepiece alone is refused with the reason`(name: String) throws {
    try scratch.write("", to: name)
    try scratch.write(#"{"tokenizer_class": "LlamaTokenizer", "model_max_length": 1e30}"#, to: "tokenizer_config.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: scratch.url) }
    #expect("\(try #require(error))".contains("\(name): the vocabulary is a model of sentencepiece alone"))
  }

  private func numbers(_ value: JSONValue?) -> [Int32]? { value?.elements?.compactMap { $0.int.map { Int32($0) } } }

  @Test(arguments: ["bert", "bert-cased", "roberta", "gpt2", "qwen2", "xlm-roberta", "xlm-roberta-extra"])
  func `ids are those of transformers`(name: String) throws {
    let files = try write(name)
    let tokenizer = try Tokenizer(folder: scratch.url)
    let texts = try #require(golden["texts"]?.elements).compactMap(\.string)
    #expect(
      texts.map { tokenizer.encode($0, maxLength: nil).ids } == files["ids"]?.elements?.compactMap { numbers($0) })
    #expect(try tokenizer.encode(pair: (texts[0], texts[1]), maxLength: nil).ids == numbers(files["pair"]))
  }

  @Test(arguments: [
    ("bert", "vocab.txt"), ("roberta", "vocab.json"), ("roberta", "merges.txt"),
    ("xlm-roberta", "sentencepiece.bpe.model"),
  ])
  func `a mutated file gives a tokenizer that encodes, or an error`(name: String, file: String) throws {
    _ = try write(name)
    let whole = try Array(Data(contentsOf: scratch.url.appending(path: file)))
    let tokens = ["\n", "\r\n", "#version", "\"a\":1,", "\u{FF}", "[UNK]", "\u{12}\u{7F}", "\u{8}\u{1}\u{0}", " "]
    let result = try Fuzz("classes/\(name)/\(file)", [whole], tokens: tokens, count: 300).run(
      prepare: { folder in
        for other in try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) {
          try FileManager.default.copyItem(
            at: scratch.url.appending(path: other), to: folder.appending(path: other))
        }
        return folder
      },
      read: { bytes, folder in
        try Data(bytes).write(to: folder.appending(path: file))
        do {
          let tokenizer = try Tokenizer(folder: folder)
          for text in ["", "the <mask> é 漢", "ab"] { _ = tokenizer.encode(text, maxLength: 8) }
          return true
        } catch is TokenizerError { return false }
      })
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }
}
