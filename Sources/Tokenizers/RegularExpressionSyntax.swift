/// Reads the regular expressions that tokenizers are written with, in the syntax of Ruby, as Oniguruma does.

/// What is not read here is refused: what looks back, counts or names groups, and letters beyond ASCII without case.
struct RegularExpressionSyntax {
  private let written: [Unicode.Scalar]
  private var place = 0
  private var depth = 0
  private var ignoresCase = false

  static let supported = [
    "characters", "[…]", ".", "\\s", "\\d", "\\w", "\\p{category}", "(…)", "(?:…)", "(?i:…) of ASCII", "|", "?", "*",
    "+",
    "{n,m}", "lazy ones", "possessive ones, (?=…) and (?!…) of one character", "$",
  ]
  private static let deepest = 100

  init(_ written: String) { self.written = Array(written.unicodeScalars) }

  mutating func parsed() throws(RegularExpression.Refusal) -> RegularExpressionNode {
    ignoresCase = takes("(?i)")
    let node = try choice()
    if place < written.count { throw refusal("`\(written[place])`") }
    return node
  }

  private func refusal(_ what: String) -> RegularExpression.Refusal {
    RegularExpression.Refusal(reason: "\(what) at character \(place + 1)")
  }

  private var next: Unicode.Scalar? { place < written.count ? written[place] : nil }

  private mutating func takes(_ text: String) -> Bool {
    guard written[place...].starts(with: text.unicodeScalars) else { return false }
    place += text.unicodeScalars.count
    return true
  }

  private mutating func choice() throws(RegularExpression.Refusal) -> RegularExpressionNode {
    var ways: [RegularExpressionNode] = []
    repeat {
      var parts: [RegularExpressionNode] = []
      var letter: Unicode.Scalar?  // the letter without case before
      while let next, next != "|", next != ")" {
        if ignoresCase, let letter, Self.folded.contains("\(letter)\(next)".lowercased()) {
          throw refusal("letters that are one without case")
        }
        letter = next
        parts.append(try repeated(try atom()))
      }
      ways.append(parts.count == 1 ? parts[0] : .sequence(parts))
    } while takes("|")
    return ways.count == 1 ? ways[0] : .choice(ways)
  }

  /// Pairs of letters that equal a single character without case.
  private static let folded = ["ss", "st", "ff", "fi", "fl"]

  private mutating func repeated(
    _ part: RegularExpressionNode
  ) throws(RegularExpression.Refusal) -> RegularExpressionNode {
    var (least, most): (Int, Int?) = (0, nil)
    var isInterval = false
    if takes("?") {
      most = 1
    } else if takes("+") {
      least = 1
    } else if next == "{" {
      (least, most) = try interval()
      isInterval = true
    } else if !takes("*") {
      return part
    }
    if part.canBeEmpty { throw refusal("a repetition of what can be empty") }
    let isLazy = !(isInterval && least == most) && takes("?")
    let result = RegularExpressionNode.repeated(part, least: least, most: most, isLazy: isLazy)
    if !isLazy, !isInterval, takes("+") {  // possessive: nothing is given back
      guard case .scalar(let set) = part else { throw refusal("a possessive repetition of more than a character") }
      let stop = RegularExpressionNode.ahead(set.inverted, atEnd: true)
      return most == 1 ? .choice([part, stop]) : .sequence([result, stop])
    }
    if let next, "?*+{".unicodeScalars.contains(next) { throw refusal("a repetition of a repetition") }
    return result
  }

  /// `{n}`, `{n,}`, `{,m}` or `{n,m}`.
  private mutating func interval() throws(RegularExpression.Refusal) -> (least: Int, most: Int?) {
    guard let end = written[place...].firstIndex(of: "}") else { throw refusal("`{`") }
    let bounds = written[place + 1..<end].split(separator: ",", omittingEmptySubsequences: false).map { digits in
      digits.allSatisfy { ("0"..."9").contains($0) } ? Int(String(String.UnicodeScalarView(digits))) : nil
    }
    let isRange = bounds.count == 2
    guard (1...2).contains(bounds.count), let least = bounds[0] ?? (isRange && written[place + 1] == "," ? 0 : nil),
      least <= 1000, bounds[bounds.count - 1] != nil || isRange && written[end - 1] == ",",
      bounds[bounds.count - 1] ?? .max >= max(least, 1), bounds[bounds.count - 1] ?? 0 <= 1000,
      end > place + 2 || !isRange
    else { throw refusal("`{` that bounds no repetition, or one of more than 1000 times") }
    place = end + 1
    return (least, bounds[bounds.count - 1])
  }

  private mutating func atom() throws(RegularExpression.Refusal) -> RegularExpressionNode {
    guard let scalar = next else { throw refusal("nothing") }
    switch scalar {
    case "(": return try group()
    case "[": return .scalar(try bracketed())
    case "\\":
      guard !ignoresCase, let isWord = takes("\\w") ? true : takes("\\W") ? false : nil else {
        return .scalar(try escaped())
      }
      var word = ScalarSet(where: \.isWord)
      word.ranges = [0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE]  // word characters outside of brackets alone
      return .scalar(isWord ? word : word.inverted)
    case ".":
      place += 1
      return .scalar(ScalarSet(0x0A).inverted)
    case "$":
      place += 1
      return .ahead(ScalarSet(0x0A), atEnd: true)
    case "^", "?", "*", "+", "{", "}", "]": throw refusal("`\(scalar)`")
    default:
      place += 1
      return .scalar(try set(scalar.value...scalar.value))
    }
  }

  private mutating func group() throws(RegularExpression.Refusal) -> RegularExpressionNode {
    let begin = place
    place += 1
    depth += 1
    guard depth <= Self.deepest else { throw refusal("a group in more than \(Self.deepest)") }
    let outerIgnoresCase = ignoresCase
    let looksAhead = takes("?=") ? true : takes("?!") ? false : nil
    if looksAhead == nil, takes("?i:") {
      ignoresCase = true
    } else if looksAhead == nil, !takes("?:"), next == "?" {
      throw refusal("a group `(?`")
    }
    let body = try choice()
    guard takes(")") else { throw refusal("the end of a group that is open") }
    (ignoresCase, depth) = (outerIgnoresCase, depth - 1)
    guard let looksAhead else { return body }
    guard case .scalar(let set) = body else {
      place = begin
      throw refusal("a look ahead at more than a character")
    }
    return .ahead(looksAhead ? set : set.inverted, atEnd: !looksAhead)
  }

  /// `[…]`
  private mutating func bracketed() throws(RegularExpression.Refusal) -> ScalarSet {
    place += 1
    var result = ScalarSet()
    let isNegated = takes("^")
    var isFirst = true
    while let scalar = next, isFirst || scalar != "]" {
      isFirst = false
      if scalar == "[" || scalar == "]" || written[place...].starts(with: "&&".unicodeScalars) {
        throw refusal("`\(scalar)` in brackets")
      }
      var part: ScalarSet
      if scalar == "\\" {
        part = try escaped()
      } else {
        place += 1
        part = try set(scalar.value...scalar.value)
      }
      if next == "-", place + 1 < written.count, written[place + 1] != "]" {
        guard let low = single(part, scalar) else { throw refusal("a range from more than a character") }
        place += 1
        guard let scalar = next, scalar != "[" else { throw refusal("a range to nothing") }
        place += scalar == "\\" ? 0 : 1
        let end = scalar == "\\" ? try escaped() : ScalarSet(scalar.value)
        guard let high = single(end, scalar), high >= low else { throw refusal("a range that ends before it begins") }
        part = try set(low...high)
      }
      result.kinds |= part.kinds
      result.ranges += part.ranges
    }
    guard takes("]") else { throw refusal("the end of brackets that are open") }
    result.isNegated = isNegated
    return result
  }

  /// The scalar that is alone in a set, whatever its case.
  private func single(_ set: ScalarSet, _ written: Unicode.Scalar) -> UInt32? {
    guard set.kinds == 0, let first = set.ranges.first, first.count == 1 else { return nil }
    return written == "\\" ? first.lowerBound : written.value
  }

  private mutating func escaped() throws(RegularExpression.Refusal) -> ScalarSet {
    place += 1
    guard let scalar = next else { throw refusal("a `\\` at the end") }
    place += 1
    switch scalar {
    case "s": return ScalarSet { $0.isWhitespace }
    case "S": return ScalarSet { !$0.isWhitespace }
    case "d": return ScalarSet { $0.category == "Nd" }
    case "D": return ScalarSet { $0.category != "Nd" }
    case "w" where !ignoresCase: return ScalarSet(where: \.isWord)
    case "W" where !ignoresCase: return ScalarSet { !$0.isWord }
    case "p" where !ignoresCase, "P" where !ignoresCase: return try category(isNegated: scalar == "P")
    case "t": return ScalarSet(0x09)
    case "n": return ScalarSet(0x0A)
    case "v": return ScalarSet(0x0B)
    case "f": return ScalarSet(0x0C)
    case "r": return ScalarSet(0x0D)
    case "u":
      let digits = written[place...].prefix(4)
      guard digits.count == 4, digits.allSatisfy(\.properties.isASCIIHexDigit),
        let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16), Unicode.Scalar(value) != nil
      else { throw refusal("`\\u`") }
      place += 4
      return try set(value...value)
    case let mark where mark.isASCII && !mark.properties.isAlphabetic && mark.properties.numericType == nil:
      return ScalarSet(mark.value)
    default: throw refusal("`\\\(scalar)`")
    }
  }

  /// `{Lu}`, `{^L}`
  private mutating func category(isNegated: Bool) throws(RegularExpression.Refusal) -> ScalarSet {
    guard takes("{"), let end = written[place...].firstIndex(of: "}") else { throw refusal("`\\p`") }
    let isInverted = takes("^") != isNegated
    let name = String(String.UnicodeScalarView(written[place..<end]))
    guard ScalarKind.isCategory(name) else { throw refusal("`\\p{\(name)}`") }
    place = end + 1
    return ScalarSet { $0.category.hasPrefix(name) != isInverted }
  }

  /// The scalars of a range; without case if that is asked for, which is known of ASCII alone.
  private func set(_ range: ClosedRange<UInt32>) throws(RegularExpression.Refusal) -> ScalarSet {
    var set = ScalarSet()
    set.ranges = [range]
    guard ignoresCase else { return set }
    guard range.upperBound < 0x80 else { throw refusal("a letter beyond ASCII without case") }
    for upper in UInt32(0x41)...0x5A where range.contains(upper) || range.contains(upper + 0x20) {
      set.ranges += [upper...upper, upper + 0x20...upper + 0x20]
    }
    if range.contains(0x53) || range.contains(0x73) { set.ranges.append(0x17F...0x17F) }  // ſ
    if range.contains(0x4B) || range.contains(0x6B) { set.ranges.append(0x212A...0x212A) }  // the Kelvin sign
    return set
  }
}
