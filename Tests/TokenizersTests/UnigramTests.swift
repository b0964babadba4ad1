/// Unigram tokenizers: choices among spellings, words by Metaspace, and files that cannot be used.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct UnigramTests {
  /// A tokenizer of `pieces`, the first of which is unknown, with other parts as they are given.
  private func folder(
    pieces: String = #"["<unk>",0],["a",-1],["b",-2],["ab",-2.5],["▁",-1],["▁a",-3]"#, model: String = #""unk_id":0"#,
    normalizer: String = "null", preTokenizer: String = "null"
  ) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    try folder.write(
      """
      {"normalizer":\(normalizer),"pre_tokenizer":\(preTokenizer),
       "model":{"type":"Unigram",\(model),"vocab":[\(pieces)]}}
      """, to: "tokenizer.json")
    return folder
  }

  private func ids(_ text: String, _ folder: ScratchFolder) throws -> [Int32] {
    try Tokenizer(folder: folder.url).encode(text, maxLength: nil).ids
  }

  @Test func `the spelling with the greatest sum of scores wins, the first found of equal ones`() throws {
    #expect(try ids("ab", folder()) == [3])
    #expect(try ids("ab", folder(pieces: #"["<unk>",0],["a",-1],["b",-1],["ab",-2]"#)) == [3])
    #expect(try ids("ab", folder(pieces: #"["<unk>",0],["a",-1],["b",-1],["ab",-2.1]"#)) == [1, 2])
  }

  @Test func `neighbouring unknown characters are one token, or their bytes where every byte has a piece`() throws {
    #expect(try ids("xya한글b", folder()) == [0, 1, 0, 2])
    let bytes = #"["<unk>",0],["a",-1],["<0x78>",0],["<0xED>",0],["<0x95>",0],["<0x9C>",0]"#
    let spelt = try folder(pieces: bytes, model: #""unk_id":0,"byte_fallback":true"#)
    #expect(try ids("xa한", spelt) == [2, 1, 3, 4, 5])
    #expect(try ids("xya", spelt) == [0, 1])
  }

  @Test func `all strings of a trie that begin a text are found, of equal ones the last, an empty one never`() {
    var random = SplitMix(state: 5)
    for _ in 0..<2000 {
      func word(_ most: Int) -> [UInt8] {
        (0..<Int.random(in: 0...most, using: &random)).map { _ in [0, 97, 255].randomElement(using: &random) ?? 0 }
      }
      let strings = (0..<Int.random(in: 0...12, using: &random)).map { _ in word(12) }
      let text = (strings.randomElement(using: &random) ?? []) + word(4)
      let expected = (0...text.count).compactMap { count -> [Int]? in
        strings.lastIndex { !$0.isEmpty && $0.elementsEqual(text.prefix(count)) }.map { [count, $0] }
      }
      var end = 0
      let ends = strings.map { string in
        end += string.count
        return end
      }
      let trie = ByteTrie(strings.flatMap { $0 }, ends: ends)
      var found: [[Int]] = []
      text.withUnsafeBufferPointer { text in
        trie.forEachPrefix(of: text, text.indices) { found.append([$0, Int($1)]) }
      }
      #expect(found == expected, "\(strings) in \(text)")
    }
  }

  @Test func `of equal pieces the last one's id and score count`() throws {
    #expect(try ids("a", folder(pieces: #"["<unk>",0],["a",-1],["a",-9]"#)) == [2])
  }

  @Test func `a word of a hundred thousand characters is spelt`() throws {
    let text = String(repeating: "a", count: 100_000)
    #expect(try ids(text, folder()).count == 100_000)
  }

  @Test(arguments: [("always", [5, 5, 4, 2]), ("first", [5, 5, 4, 2]), ("never", [1, 5, 4, 2])])
  func `the scheme says where a word mark is put before a text`(scheme: String, expected: [Int32]) throws {
    let metaspace = #"{"type":"Metaspace","replacement":"▁","prepend_scheme":"\#(scheme)"}"#
    let marked = try folder(
      pieces: #"["<unk>",0],["a",-1],["b",-2],["ab",-9],["▁",-1],["▁a",-1.5]"#, preTokenizer: metaspace)
    #expect(try ids("a a b", marked) == expected)
  }

  @Test(arguments: [
    (#""unk_id":null"#, "null", "null", "model.unk_id is missing"),
    (#""unk_id":6"#, "null", "null", "model.unk_id is 6, expected a whole number from 0 to 5"),
    (
      #""unk_id":0"#, #"{"type":"Replace","pattern":{"Regex":"(a|b)+(?<=c)"},"content":"x"}"#, "null",
      #"normalizer.pattern.Regex is "(a|b)+(?<=c)": a group `(?` at character 8, expected an expression of"#
    ),
    (
      #""unk_id":0"#, #"{"type":"Replace","pattern":{"String":""},"content":"x"}"#, "null",
      "normalizer.pattern is empty"
    ),
    (#""unk_id":0"#, #"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#, "null", "precompiled_charsmap is"),
    (
      #""unk_id":0"#, "null", #"{"type":"Metaspace","replacement":"▁","add_prefix_space":false}"#,
      "pre_tokenizer.prepend_scheme"
    ),
    (
      #""unk_id":0"#, #"{"type":"Replace","pattern":{"Regex":"(a)"},"content":"$1"}"#, "null",
      "normalizer.content is with `$`"
    ),
    (#""unk_id":0"#, "null", #"{"type":"Peculiar"}"#, #"the pre_tokenizer "Peculiar" is not supported"#),
  ])
  func `what cannot be used is refused at its field`(
    model: String, normalizer: String, preTokenizer: String, message: String
  ) throws {
    let files = try folder(model: model, normalizer: normalizer, preTokenizer: preTokenizer)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
    let text = try #require(error).description
    #expect(text.contains(message), "\(text)")
  }

  @Test(arguments: [#"["a"]"#, #"["a",1e999]"#, #"["a",1,2]"#, "[]", #"["a","b"]"#])
  func `a piece without a score is refused with its number`(piece: String) throws {
    let files = try folder(pieces: #"["<unk>",0],\#(piece)"#)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
    #expect(try #require(error).description.contains("model.vocab[1]"))
  }

  @Test func `steps that would make a text a million times as long are refused`() throws {
    let step = #"{"type":"Replace","pattern":{"String":"a"},"content":"\#(String(repeating: "a", count: 100))"}"#
    let steps = Array(repeating: step, count: 4).joined(separator: ",")
    let files = try folder(normalizer: #"{"type":"Sequence","normalizers":[\#(steps)]}"#)
    #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
  }
}
