/// How a query and a passage become one input.
import CPU
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenizers

@testable import Training

@Suite struct PairFormTests {
  private let folder = fixtures.appending(path: "models/classifier")

  private func input(_ form: PairForm) throws -> Encoding {
    let encoder = try CrossEncoder(folder: folder, on: CPU(threads: 1), maxTokens: 8, form: form)
    return try encoder.tokenize([("a b c", "d e f g h")])[0]
  }

  @Test func `a pair as one text is what the tokenizer makes of that text, cut at its end`() throws {
    let tokenizer = try Tokenizer(folder: folder)
    let whole = tokenizer.encode("a b c [SEP] d e f g h", maxLength: nil)
    let found = try input(.text)
    #expect(found.ids == Array(whole.ids.prefix(7)) + [try #require(whole.ids.last)])
    #expect(found.typeIDs == [Int32](repeating: 0, count: 8))
    #expect(found.truncated)
  }

  @Test func `a pair as the tokenizer has it is cut where it is longer`() throws {
    let tokenizer = try Tokenizer(folder: folder)
    let expected = try tokenizer.encode(pair: ("a b c", "d e f g h"), maxLength: 8)
    #expect(try input(.pair).ids == expected.ids)
    #expect(Set(expected.typeIDs) == [0, 1])
  }
}
