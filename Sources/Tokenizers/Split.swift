/// The `Split` pre-tokenizer: matches of a pattern part a text; what becomes of them is its behaviour.

struct Split: Sendable {
  private enum Behavior: String, CaseIterable {
    case isolated = "Isolated"
    case removed = "Removed"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    /// Neighbouring matches are one word.
    case contiguous = "Contiguous"
  }

  private let pattern: TextPattern
  private let behavior: Behavior
  /// Whether what lies between matches counts as the matches.
  private let inverts: Bool

  @inline(__always)
  func split(_ text: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ word: (Range<Int>) -> Void) {
    var start = segment.lowerBound  // of the word that is not given yet
    var wasMatch = false
    pattern.forEachPart(of: text, segment) { part, matches in
      let isMatch = matches != inverts
      let joins =
        switch behavior {
        case .isolated, .removed: false
        case .mergedWithPrevious: isMatch && !wasMatch
        case .mergedWithNext: wasMatch && !isMatch
        case .contiguous: isMatch == wasMatch
        }
      if !joins, start < part.lowerBound { word(start..<part.lowerBound) }
      if !joins { start = part.lowerBound }
      if behavior == .removed, isMatch { start = part.upperBound }
      wasMatch = isMatch
    }
    if start < segment.upperBound { word(start..<segment.upperBound) }
  }
}

extension Split {
  init(_ fields: TokenizerFields) throws {
    pattern = try TextPattern(fields)
    behavior = try fields.choice("behavior", default: .isolated)
    inverts = try fields.bool("invert", default: false)
  }
}
