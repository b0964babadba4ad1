/// How many tokens of each text stay when a pair is too long; the rules of the tokenizers library.

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
