/// The `Replace` normalizer: every match of a pattern becomes another text.

struct Replacement: Sendable {
  private let pattern: TextPattern
  private let content: [UInt8]

  /// How many times longer a text may become, at most.
  var growth: Double {
    switch pattern {
    case .text(let text): max(1, Double(content.count) / Double(text.count))
    case .expression, .scalar: max(1, Double(content.count))
    }
  }

  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    pattern.forEachPart(of: text, text.indices) { part, isMatch in
      if isMatch { output += content } else { output.append(contentsOf: text[part]) }
    }
  }

  /// See `Normalizer.beginning`.
  func beginning(_ text: UnsafeBufferPointer<UInt8>, _ count: Int) -> Int {
    var first: Range<Int>?
    pattern.forEachPart(of: text, text.indices) { part, isMatch in
      if part.lowerBound == 0, isMatch { first = part }
    }
    guard let first else { return count }
    return content.count + max(0, count - first.count)
  }
}

extension Replacement {
  init(_ fields: TokenizerFields) throws {
    pattern = try TextPattern(fields)
    content = Array(try fields.string("content").utf8)
    // Versions of the library differ in what they make of `$1`.
    if case .expression = pattern, content.contains(UInt8(ascii: "$")) {
      throw fields.invalid("content", found: "with `$`", expected: "a text without it for an expression")
    }
  }
}
