/// How many tokens of each text stay when a pair is too long, and which; the rules of the tokenizers library.

/// The end at which a text is cut.
enum TruncationSide: String, CaseIterable, Sendable {
  case left, right

  /// Leaves the first `count` tokens, or the last ones.
  func cut(_ ids: inout [Int32], to count: Int) {
    switch self {
    case .left: ids.removeFirst(ids.count - count)
    case .right: ids.removeLast(ids.count - count)
    }
  }
}

extension TruncationSide {
  /// What tokenizer.json's `truncation` says.
  init(_ fields: TokenizerFields?) throws {
    let found = try fields?.string("direction", default: "Right") ?? "Right"
    guard let side = Self.allCases.first(where: { $0.rawValue.capitalized == found }) else {
      throw TokenizerError.invalid(
        field: "truncation.direction", found: "\"\(found)\"", expected: "\"Left\" or \"Right\"", file: "tokenizer.json")
    }
    self = side
  }
}

package enum TruncationStrategy: String, Sendable, Codable, CaseIterable {
  /// Cuts the longer text first, then both alike.
  case longestFirst = "longest_first"
  case onlyFirst = "only_first"
  case onlySecond = "only_second"

  /// The counts to keep so that they sum to at most `limit`, or nil if the text to cut has too few tokens.
  func keep(_ first: Int, _ second: Int, limit: Int) -> (Int, Int)? {
    let excess = first + second - limit
    guard excess > 0 else { return (first, second) }
    guard limit > 0 else { return (0, 0) }
    switch self {
    case .onlyFirst: return first > excess ? (first - excess, second) : nil
    case .onlySecond: return second > excess ? (first, second - excess) : nil
    case .longestFirst:
      let shorter = min(first, second)
      // Both are cut if the shorter takes more than half; the odd token goes to the longer.
      let kept = 2 * shorter > limit ? (limit / 2, limit - limit / 2) : (shorter, limit - shorter)
      return first > second ? (kept.1, kept.0) : kept
    }
  }
}
