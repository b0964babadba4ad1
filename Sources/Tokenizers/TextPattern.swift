/// What `Replace` and `Split` look for: a text, a regular expression, or a character of some trait.

enum TextPattern: Sendable {
  case text([UInt8])
  case expression(RegularExpression)
  case scalar(ScalarTraits)

  /// Calls `body` with each match in `range` of `text`, in order; none is empty, none overlaps another.
  @inline(__always)
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    switch self {
    case .expression(let expression): expression.forEachMatch(in: text, range, body)
    case .scalar(let traits):
      var index = range.lowerBound
      while index < range.upperBound {
        let start = index
        if !ScalarTraits.of(text.scalar(at: &index)).isDisjoint(with: traits) { body(start..<index) }
      }
    case .text(let wanted):
      var index = range.lowerBound
      while index + wanted.count <= range.upperBound {
        let end = index + wanted.count
        if text[index] == wanted[0], text[index..<end].elementsEqual(wanted) {
          body(index..<end)
          index = end
        } else {
          index += 1
        }
      }
    }
  }

  /// Calls `body` with what matches and with what lies between, in order.
  @inline(__always)
  func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (_ part: Range<Int>, _ isMatch: Bool) -> Void
  ) {
    var end = range.lowerBound
    forEachMatch(in: text, range) { match in
      if end < match.lowerBound { body(end..<match.lowerBound, false) }
      body(match, true)
      end = match.upperBound
    }
    if end < range.upperBound { body(end..<range.upperBound, false) }
  }
}

extension TextPattern {
  /// Reads the `pattern` of a component.
  init(_ fields: TokenizerFields) throws {
    guard let pattern = try fields.object("pattern"), pattern.keys == ["String"] || pattern.keys == ["Regex"] else {
      throw fields.invalid("pattern", found: "without a text", expected: "{\"String\": …} or {\"Regex\": …}")
    }
    if pattern.keys == ["String"] {
      let text = Array(try pattern.string("String").utf8)
      guard !text.isEmpty else { throw fields.invalid("pattern", found: "empty", expected: "a text to find") }
      self = .text(text)
    } else {
      let written = try pattern.string("Regex")
      do {
        self = .expression(try RegularExpression(written))
      } catch {
        throw pattern.invalid(
          "Regex", found: "\"\(written.prefix(80))\": \(error.reason)",
          expected: "an expression of " + RegularExpressionSyntax.supported.joined(separator: ", "))
      }
    }
  }
}
