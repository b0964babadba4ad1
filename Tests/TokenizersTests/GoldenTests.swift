/// Ids equal those of the tokenizers library, for small tokenizers on lines meant to break them.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

private let goldenFolder = fixtures.appending(path: "tokenizers")

private struct GoldenCase: Decodable {
  let text: String?
  let pair: [String]?
  let maxLength: Int?
  let strategy: TruncationStrategy?
  let ids: [Int32]?
  let typeIDs: [Int32]?
  let refused: Bool?

  enum CodingKeys: String, CodingKey {
    case text, pair, strategy, ids, refused
    case maxLength = "max_length"
    case typeIDs = "type_ids"
  }
}

@Suite struct GoldenTests {
  @Test(arguments: [
    "uncased", "cased", "accents-stripped", "lowercased", "unigram-nmt", "unigram-charsmap", "unigram-bytes",
    "unigram-plain", "bpe-roberta", "bpe-gpt2", "bpe-qwen", "bpe-llama3", "bpe-bytes", "bpe-next", "bpe-contiguous",
    "bpe-clip", "bpe-digits", "bpe-words", "sentencepiece",
  ])
  func `ids equal those of the tokenizers library`(name: String) throws {
    let folder = goldenFolder.appending(path: name)
    let tokenizer = try Tokenizer(folder: folder)
    let lines = try Data(contentsOf: folder.appending(path: "golden.jsonl")).split(separator: 0x0A)
    #expect(lines.count > 110)
    for line in lines {
      let golden = try JSONDecoder().decode(GoldenCase.self, from: line)
      if let text = golden.text {
        #expect(tokenizer.encode(text, maxLength: nil).ids == golden.ids, "\(text.debugDescription)")
      } else if let pair = golden.pair, let strategy = golden.strategy {
        let encode = { try tokenizer.encode(pair: (pair[0], pair[1]), maxLength: golden.maxLength, strategy: strategy) }
        if golden.refused == true {
          #expect(throws: TokenizerError.self) { try encode() }
        } else {
          let encoding = try encode()
          #expect(encoding.ids == golden.ids)
          #expect(encoding.typeIDs == golden.typeIDs)
        }
      }
    }
  }

  @Test func `every scalar has the traits that the tokenizers library gives it`() throws {
    let golden = try JSONDecoder().decode(
      [String: [[UInt32]]].self, from: Data(contentsOf: goldenFolder.appending(path: "scalars.json")))
    let expected = golden.mapValues { ranges in Set(ranges.flatMap { Array($0[0]...$0[1]) }) }
    // Beyond these planes nothing but private use is assigned.
    let scalars = Array(0..<UInt32(0x32000)) + Array(0xE0000..<0xE0200)
    let traits = scalars.map { Unicode.Scalar($0) == nil ? [] : ScalarTraits.of($0) }
    func having(_ trait: ScalarTraits) -> Set<UInt32> {
      Set(zip(scalars, traits).lazy.filter { $1.contains(trait) }.map(\.0))
    }
    #expect(having(.whitespace) == expected["whitespace"])
    #expect(having(.punctuation) == expected["punctuation"])
    #expect(having(.nonspacingMark) == expected["nonspacing_marks"])
    #expect(having(.ideograph) == expected["ideographs"])
    #expect(
      having(.other).subtracting([0x09, 0x0A, 0x0D]).union([0xFFFD])
        == expected["dropped"]?.filter { $0 < 0xF0000 })
  }
}
