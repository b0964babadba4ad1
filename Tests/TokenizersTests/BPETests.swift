/// Byte-pair encoding: the order of joining, what is unknown, and files that cannot be used.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct BPETests {
  /// A tokenizer of a few pieces, `merges` and other parts as they are given.
  private func folder(
    merges: String = #""a b","b c","ab c""#, model: String = #""unk_token":"?""#, preTokenizer: String = "null"
  ) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    let pieces = #""?":0,"a":1,"b":2,"c":3,"ab":4,"bc":5,"abc":6,"<0x78>":7,"<0x79>":8,"aa":9,"aaaa":10"#
    try folder.write(
      """
      {"pre_tokenizer":\(preTokenizer),
       "model":{"type":"BPE",\(model),"merges":[\(merges)],"vocab":{\(pieces)}}}
      """, to: "tokenizer.json")
    return folder
  }

  private func ids(_ text: String, _ folder: ScratchFolder) throws -> [Int32] {
    try Tokenizer(folder: folder.url).encode(text, maxLength: nil).ids
  }

  @Test func `pairs are joined by rank, of one rank from the left`() throws {
    #expect(try ids("abc", folder()) == [6])
    #expect(try ids("abc", folder(merges: #"["b","c"],["a","b"],["ab","c"]"#)) == [1, 5])
    #expect(try ids("aaaaa", folder(merges: "\"#version: 0.2\",\"a a\",\"aa aa\"")) == [10, 1])
  }

  @Test func `a word of a hundred thousand characters is joined`() throws {
    let text = String(repeating: "a", count: 100_001)
    #expect(try ids(text, folder(merges: #""a a","aa aa""#)) == Array(repeating: 10, count: 25_000) + [1])
  }

  @Test(arguments: [
    (#""unk_token":"?""#, [0, 0, 1, 0]), (#""unk_token":"?","fuse_unk":true"#, [0, 1, 0]), (#""unk_token":null"#, [1]),
    (#""unk_token":"?","byte_fallback":true"#, [7, 8, 1, 0]),
  ])
  func `a character that is no piece is unknown, its bytes, or nothing`(model: String, expected: [Int32]) throws {
    #expect(try ids("xyaz", folder(model: model)) == expected)
  }

  @Test func `a word that is a piece is taken whole where merges are ignored`() throws {
    #expect(try ids("abc", folder(merges: "")) == [1, 2, 3])
    #expect(try ids("abc", folder(merges: "", model: #""ignore_merges":true"#)) == [6])
  }

  /// A vocabulary of the letters and of what `pairs` of pieces make, and the pairs.
  private static func made(_ count: Int, _ random: inout SplitMix) -> (pieces: [String], merges: [(String, String)]) {
    var (pieces, merges) = (["a", "b", "c", "▁"], [(String, String)]())
    while merges.count < count {
      let pair = (pieces.randomElement(using: &random) ?? "", pieces.randomElement(using: &random) ?? "")
      if (pair.0 + pair.1).count > 6 || merges.contains(where: { $0 == pair }) { continue }
      merges.append(pair)
      if !pieces.contains(pair.0 + pair.1) { pieces.append(pair.0 + pair.1) }
    }
    return (pieces, merges)
  }

  @Test func `long words, whole or in parts, new or known, are joined as one pair after the other would be`() throws {
    var random = SplitMix(state: 11)
    for round in 0..<60 {
      let (pieces, merges) = Self.made(round % 20 + 1, &random)
      let folder = try ScratchFolder()
      let vocabulary = pieces.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
      let written = merges.map { "[\"\($0)\",\"\($1)\"]" }.joined(separator: ",")
      try folder.write(
        #"{"model":{"type":"BPE","vocab":{\#(vocabulary)},"merges":[\#(written)]}}"#, to: "tokenizer.json")
      let tokenizer = try Tokenizer(folder: folder.url)
      for count in [3, 9, 40, 41, 90, 200] {
        let text = (0..<count).map { _ in ["a", "b", "c", "▁"].randomElement(using: &random) ?? "" }
        var symbols = text
        while true {
          let ranks = zip(symbols, symbols.dropFirst()).map { pair in merges.firstIndex { $0 == pair } ?? .max }
          guard let least = ranks.min(), least != .max, let place = ranks.firstIndex(of: least) else { break }
          symbols.replaceSubrange(place...place + 1, with: [symbols[place] + symbols[place + 1]])
        }
        let expected = symbols.map { symbol in Int32(pieces.firstIndex(of: symbol) ?? -1) }
        for _ in 0..<2 { #expect(tokenizer.encode(text.joined(), maxLength: nil).ids == expected, "\(merges) \(text)") }
      }
    }
  }

  @Test func `ids do not depend on how many texts are encoded at once`() async throws {
    let tokenizer = try Tokenizer(folder: fixtures.appending(path: "tokenizers/bpe-qwen"))
    let texts = (0..<400).map { "text \($0 % 97) of the lazy \($0 * 7919) foxes" }
    let expected = texts.map { tokenizer.encode($0, maxLength: nil).ids }
    let found = await withTaskGroup(of: [[Int32]].self) { group in
      for _ in 0..<8 { group.addTask { texts.map { tokenizer.encode($0, maxLength: nil).ids } } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(found.count == 8 && found.allSatisfy { $0 == expected })
  }

  @Test(arguments: [
    (#""a b","a""#, #""unk_token":"?""#, "null", #"model.merges[1] is "a", expected two pieces"#),
    (#""a c""#, #""unk_token":"?""#, "null", #"model.merges[0] is "ac", expected two pieces"#),
    (#""a  b""#, #""unk_token":"?""#, "null", "model.merges[0]"),
    (#"["a","b","c"]"#, #""unk_token":"?""#, "null", "[0]"),
    ("", #""unk_token":"!""#, "null", #"model.unk_token is "!", expected a piece"#),
    ("", #""dropout":0.1"#, "null", "model.dropout is not 0"),
    (#""a b""#, ##""continuing_subword_prefix":"#""##, "null", #"model.merges[0] is "ab", expected two pieces"#),
    (
      "", #""unk_token":"?""#, #"{"type":"Split","pattern":{"String":"a"},"behavior":"Up"}"#,
      #"pre_tokenizer.behavior is "Up", expected "Isolated" or"#
    ),
    ("", #""unk_token":"?""#, #"{"type":"Split","pattern":{"Regex":"(?<=a)"}}"#, "pre_tokenizer.pattern.Regex"),
  ])
  func `what cannot be used is refused at its field`(
    merges: String, model: String, preTokenizer: String, message: String
  ) throws {
    let files = try folder(merges: merges, model: model, preTokenizer: preTokenizer)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: files.url) }
    let text = try #require(error).description
    #expect(text.contains(message), "\(text)")
  }

  @Test func `a BPE without merges is refused`() throws {
    let folder = try ScratchFolder()
    try folder.write(#"{"model":{"type":"BPE","vocab":{"a":0}}}"#, to: "tokenizer.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder.url) }
    #expect(try #require(error).description.contains("model.merges is missing"))
  }
}
