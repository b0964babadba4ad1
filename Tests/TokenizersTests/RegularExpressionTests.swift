/// Regular expressions match what the tokenizers library's engine matches; golden file by generate/bpe.py.
import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct RegularExpressionTests {
  private struct Golden: Decodable {
    struct One: Decodable {
      struct Case: Decodable {
        let text: String
        let matches: [[Int]]
      }
      let expression: String
      let cases: [Case]
    }
    let expressions: [One]
    /// How many scalars each matches, and the sum of their numbers.
    let scalars: [String: [Int]]
  }

  private let golden: Golden

  init() throws {
    let file = fixtures.appending(path: "tokenizers/expressions.json")
    golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }

  private func matches(_ expression: RegularExpression, _ text: String) -> [[Int]] {
    var (text, found): (String, [[Int]]) = (text, [])
    text.withUTF8 { bytes in
      expression.forEachMatch(in: bytes, bytes.indices) { found.append([$0.lowerBound, $0.upperBound]) }
    }
    return found
  }

  @Test func `an expression matches what Oniguruma matches, or is refused`() throws {
    var refused = 0
    for one in golden.expressions {
      guard let expression = try? RegularExpression(one.expression) else {
        refused += 1
        continue
      }
      for one in one.cases { #expect(matches(expression, one.text) == one.matches) }
    }
    // Those that match nothing at all somewhere are many.
    #expect(refused < golden.expressions.count / 2)
  }

  @Test func `every scalar is of the categories that Oniguruma has it in`() throws {
    // Beyond these planes nothing but private use is assigned.
    let everything = [0..<UInt32(0x33800), 0xE0000..<0xE0200].joined().compactMap(Unicode.Scalar.init)
    var text = String(String.UnicodeScalarView(everything))
    try text.withUTF8 { bytes in
      for (written, expected) in golden.scalars {
        let expression = try RegularExpression(written)
        var (count, sum) = (0, 0)
        expression.forEachMatch(in: bytes, bytes.indices) { match in
          var place = match.lowerBound
          (count, sum) = (count + 1, sum + Int(bytes.scalar(at: &place)))
        }
        #expect([count, sum] == expected, "\(written)")
      }
    }
  }

  @Test func `a search in vain for the end of a long text is not made again at each place`() throws {
    let text = String(repeating: "a", count: 100_000)
    #expect(matches(try RegularExpression("a*b|a"), text).count == 100_000)
    #expect(matches(try RegularExpression("a+b|c"), text).isEmpty)
  }

  @Test(arguments: [
    ("", "it matches nothing at all"), ("a*", "it matches nothing at all"), ("(?!a)", "it matches nothing at all"),
    ("a**", "a repetition of a repetition at character 3"),
    ("(a|b*)+", "a repetition of what can be empty at character 8"),
    ("^a", "`^` at character 1"), ("a)", "`)` at character 2"),
    ("(a", "the end of a group that is open at character 3"),
    ("[a", "the end of brackets that are open at character 3"), ("[[a]]", "`[` in brackets at character 2"),
    ("[b-a]", "a range that ends before it begins at character 5"), ("[\\s-a]", "a range from more than a character"),
    ("\\1", "`\\1` at character 3"), ("\\p{Han}", "`\\p{Han}` at character 4"), ("\\", "a `\\` at the end"),
    ("a{2}?", "a repetition of a repetition"),
    ("b{1001}", "`{` that bounds no repetition, or one of more than 1000 times"), ("a{", "`{` at character 2"),
    ("(?<n>a)", "a group `(?` at character 2"), ("(?i:é)", "a letter beyond ASCII without case"),
    ("(?i:ss)", "letters that are one without case at character 6"),
    ("(?=ab)c", "a look ahead at more than a character"),
    ("(ab)++", "a possessive repetition of more than a character"), ("((a{100}){100}){100}", "it is too long"),
    ("(a|b)*a(a|b){20}", "its automaton has too many states"),
  ])
  func `an expression that is not understood is refused with the reason`(written: String, reason: String) {
    let refusal = #expect(throws: RegularExpression.Refusal.self) { try RegularExpression(written) }
    #expect(refusal?.reason.hasPrefix(reason) == true, "\(String(describing: refusal))")
  }
}
