import Testing

@testable import Basics

@Suite struct WordsTests {
  @Test func `the nearest word is one that a slip of the finger makes`() {
    #expect(editDistance("kitten", "sitting") == 3)  // Levenshtein's classic
    #expect(editDistance("ca", "ac") == 1)
    #expect(editDistance("", "abc") == 3)
    #expect(nearest(to: "trian", in: ["train", "eval"]) == "train")
    #expect(nearest(to: "Train", in: ["train"]) == "train")
    #expect(nearest(to: "x", in: ["y"]) == nil)
    #expect(nearest(to: "teacher", in: ["student"]) == nil)
  }

  @Test func `a message ends with the word that was meant, or with what is said where nobody knows`() {
    #expect(didYouMean("train", otherwise: "!") == "; did you mean `train`?")
    #expect(didYouMean(nil, otherwise: "!") == "!" && didYouMean(nil) == "")
  }
}
