/// The `Split` pre-tokenizer and those that are one: matches of a pattern part a text, and have a behaviour.

struct Split: Sendable {
  enum Behavior: String, CaseIterable {
    case isolated = "Isolated"
    case removed = "Removed"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    /// Neighbouring matches are one word.
    case contiguous = "Contiguous"
  }

  let pattern: TextPattern
  let behavior: Behavior
  /// Whether what lies between matches counts as the matches.
  var inverts = false

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
  /// The types that it stands for.
  static let types = ["Split", "WhitespaceSplit", "Whitespace", "Punctuation", "Digits", "CharDelimiterSplit"]

  /// The split of one of `types`; nil: it is another.
  init?(type: String, _ fields: TokenizerFields) throws {
    switch type {
    case "Split":
      pattern = try TextPattern(fields)
      behavior = try fields.choice("behavior", default: .isolated)
      inverts = try fields.bool("invert", default: false)
    case "WhitespaceSplit": (pattern, behavior) = (.scalar(.whitespace), .removed)
    case "Whitespace":
      // The library's other engine of expressions counts the two joiners among the letters of words.
      let words = #"[\w\u200C\u200D]+|[^\w\s\u200C\u200D]+"#
      (pattern, behavior, inverts) = (.expression(try RegularExpression(words)), .removed, true)
    case "Punctuation":
      (pattern, behavior) = (.scalar(.punctuation), try fields.choice("behavior", default: .isolated))
    case "Digits":
      pattern = .expression(try RegularExpression(#"\p{N}"#))
      behavior = try fields.bool("individual_digits", default: false) ? .isolated : .contiguous
    case "CharDelimiterSplit":
      let delimiter = try fields.string("delimiter")
      guard delimiter.unicodeScalars.count == 1 else {
        throw fields.invalid("delimiter", found: "\"\(delimiter.prefix(40))\"", expected: "one character")
      }
      (pattern, behavior) = (.text(Array(delimiter.utf8)), .removed)
    default: return nil
    }
  }
}
