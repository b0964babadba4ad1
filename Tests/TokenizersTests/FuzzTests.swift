/// Any bytes at all, as a tokenizer's files, end in a tokenizer that encodes or in an error that names the file.
import Foundation
import TestSupport
import Testing
import Tokenizers

@Suite struct FuzzTests {
  private static let texts = [
    "", " ", "the [MASK]  fox", "[CLS]x[SEP]", "é e\u{301} 한국어 漢字 \u{200D}\u{0}", String(repeating: "ab", count: 300),
  ]

  @Test(arguments: [
    ("models/sentence-transformer", "tokenizer.json"), ("models/sentence-transformer", "tokenizer_config.json"),
    ("tokenizers/unigram-charsmap", "tokenizer.json"), ("tokenizers/unigram-bytes", "tokenizer.json"),
    ("tokenizers/bpe-llama3", "tokenizer.json"), ("tokenizers/bpe-bytes", "tokenizer.json"),
    ("tokenizers/bpe-contiguous", "tokenizer.json"), ("tokenizers/bpe-clip", "tokenizer.json"),
    ("tokenizers/bpe-words", "tokenizer.json"),
  ])
  func `a mutated file gives a tokenizer that encodes, or an error`(model: String, name: String) throws {
    let folder = fixtures.appending(path: model)
    let whole = try Array(Data(contentsOf: folder.appending(path: name)))
    let tokens = [
      "\"WordPiece\"", "\"BertProcessing\"", "\"TemplateProcessing\"", "\"normalized\":true,",
      "\"lstrip\":true,\"rstrip\":true,",
      "\"single_word\":true,", "\"vocab\":{},", "##", "\"B\"", "\"A\"", "null",
      "\"Unigram\"", "\"Metaspace\"", "\"Nmt\"", "\"NFKC\"", "\"Precompiled\"", "\"always\"", "1e999", "[\"<unk>\",-1]",
      "{\"id\":7,\"content\":\" \",\"lstrip\":true},",
      "\"BPE\"", "\"ByteLevel\"", "\"Split\"", "\"Regex\":\"(a|b)*a(a|b){9}\"", "{1,1000}", "\\\\p{L}+", "(?i:",
      "(?!\\\\S)", "[^",
      "\"Removed\"", "\"MergedWithNext\"", "\"ignore_merges\":true,", "\"use_regex\":true,", "[\"a\",\"b\"],",
      "2147483647", "\"Digits\"", "\"Punctuation\"", "\"CharDelimiterSplit\",\"delimiter\":\"a\"",
      "\"continuing_subword_prefix\":\"é\",",
      "\"end_of_word_suffix\":\"</w>\",", "\"decoder\":{\"type\":\"Strip\",\"start\":9,\"stop\":9},",
      "\"ByteFallback\"", "\"BPEDecoder\"",
    ]
    let result = try Fuzz("\(model)/\(name)", [whole], tokens: tokens, count: 500).run(
      prepare: { scratch in
        try FileManager.default.copyItem(
          at: folder.appending(path: "tokenizer.json"), to: scratch.appending(path: "tokenizer.json"))
        return scratch
      },
      read: { bytes, scratch in
        try Data(bytes).write(to: scratch.appending(path: name))
        do {
          let tokenizer = try Tokenizer(folder: scratch)
          for text in Self.texts {
            let ids = tokenizer.encode(text, maxLength: 8).ids
            _ = try tokenizer.decoder().decode(ids + [-1, .max], keepsSpecial: true)
            _ = try tokenizer.encode(pair: (text, "a pair"), maxLength: 8)
          }
          return true
        } catch let error as TokenizerError {
          if error.description.contains(name) { return false }
          throw error
        }
      })
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }
}
