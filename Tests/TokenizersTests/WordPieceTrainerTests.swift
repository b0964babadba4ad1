/// Trained vocabularies: equal to the library's where it has no ties, the same bytes every time, and loadable.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

private struct TrainerGolden: Decodable {
  let texts: [String]
  let vocabulary_size: Int
  let minimum_frequency: Int
  let pieces: [String]
}

@Suite struct WordPieceTrainerTests {
  @Test func `the pieces equal those of the tokenizers library`() throws {
    let golden = try JSONDecoder().decode(
      TrainerGolden.self, from: Data(contentsOf: fixtures.appending(path: "tokenizers/trainer.json")))
    let trainer = WordPieceTrainer(
      vocabularySize: golden.vocabulary_size, minimumFrequency: golden.minimum_frequency)
    let vocabulary = try trainer.train(golden.texts)
    // Byte for byte: a String's == would take canonical equivalents for one.
    #expect(Set(vocabulary.pieces.map { Array($0.utf8) }) == Set(golden.pieces.map { Array($0.utf8) }))
    #expect(vocabulary.pieces.count == golden.pieces.count)
    #expect(try trainer.train(golden.texts.reversed()) == vocabulary, "the order of texts does not matter")
  }

  @Test func `merges follow frequency, then the order of ids`() throws {
    // ab 3, cd 2, abc 1: (a ##b) occurs 4 times, (c ##d) 2, (ab ##c) 1.
    let vocabulary = try WordPieceTrainer(vocabularySize: 100).train(["ab cd abc", "cd ab ab"])
    #expect(Array(vocabulary.pieces.dropFirst(5)) == ["a", "b", "c", "d", "##b", "##c", "##d", "ab", "cd"])
  }

  @Test func `a written vocabulary loads and spells its own texts`() throws {
    let texts = ["먹이량 먹이양 \"따옴표\" \\ 역사선", "먹이양이 맞다 먹이량 먹이양"]
    let files = try ScratchFolder()
    try WordPieceTrainer(vocabularySize: 60).train(texts).write(to: files.url, modelMaxLength: 64)
    let tokenizer = try Tokenizer(folder: files.url)
    #expect(tokenizer.modelMaxLength == 64 && tokenizer.padID == 0 && tokenizer.unknownID == 1)
    #expect(texts.allSatisfy { tokenizer.encode($0, maxLength: nil).unknowns == 0 })
    #expect(tokenizer.encode("먹이", maxLength: nil).contentTokens == 1)
    #expect(tokenizer.encode("[MASK]", maxLength: nil).ids == [2, 4, 3])
    #expect(tokenizer.encode("없", maxLength: nil).unknowns == 1)
  }

  @Test func `the alphabet's limit keeps the most frequent characters`() throws {
    let vocabulary = try WordPieceTrainer(vocabularySize: 100, alphabetLimit: 2).train(["a a a b b c", "c b a"])
    #expect(Array(vocabulary.pieces.dropFirst(5)) == ["a", "b"])
    #expect(throws: TokenizerError.vocabularyTooSmall(requested: 7, needed: 8)) {
      try WordPieceTrainer(vocabularySize: 7).train(["a b c"])
    }
  }
}
