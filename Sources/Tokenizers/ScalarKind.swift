/// What regular expressions ask of scalars, as the tokenizers library's engine sees them: those of Unicode 16.

/// A scalar's general category, whether it is alphabetic, and whether it is white space, in seven bits.
struct ScalarKind: Sendable {
  let number: UInt8

  static let count = 128
  static let all = (0..<UInt8(count)).map(ScalarKind.init(number:))

  /// The category's abbreviation.
  var category: String {
    let place = Int(number & 31)
    return place < Self.categories.count ? Self.categories[place].name : ""
  }
  var isAlphabetic: Bool { number & 32 != 0 }
  var isWhitespace: Bool { number & 64 != 0 }
  /// `\w` (Unicode Technical Standard 18, annex C).
  var isWord: Bool { isAlphabetic || category.hasPrefix("M") || category == "Nd" || category == "Pc" }

  @inline(__always)
  static func of(_ scalar: UInt32) -> ScalarKind {
    scalar < UInt32(table.count) ? table[Int(scalar)] : looked(up: scalar)
  }

  /// Whether a category has that name, or one that begins so.
  static func isCategory(_ name: String) -> Bool { categories.contains { $0.name.hasPrefix(name) } && !name.isEmpty }

  private static let categories: [(name: String, category: Unicode.GeneralCategory)] = [
    ("Cn", .unassigned), ("Cc", .control), ("Cf", .format), ("Co", .privateUse), ("Cs", .surrogate),
    ("Ll", .lowercaseLetter), ("Lm", .modifierLetter), ("Lo", .otherLetter), ("Lt", .titlecaseLetter),
    ("Lu", .uppercaseLetter), ("Mc", .spacingMark), ("Me", .enclosingMark), ("Mn", .nonspacingMark),
    ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation),
    ("Pd", .dashPunctuation), ("Pe", .closePunctuation), ("Pf", .finalPunctuation), ("Pi", .initialPunctuation),
    ("Po", .otherPunctuation), ("Ps", .openPunctuation), ("Sc", .currencySymbol), ("Sk", .modifierSymbol),
    ("Sm", .mathSymbol), ("So", .otherSymbol), ("Zl", .lineSeparator), ("Zp", .paragraphSeparator),
    ("Zs", .spaceSeparator),
  ]

  private static let numbers = Dictionary(
    uniqueKeysWithValues: zip(categories.map(\.category), UInt8(0)...))

  private static let table = (0..<UInt32(0x20000)).map(looked(up:))

  private static func looked(up value: UInt32) -> ScalarKind {
    let value = 0x3400...0x4DBF ~= value || 0x4E00...0x9FFF ~= value ? 0x4E00 : value  // scalars that are alike
    guard let properties = Unicode.Scalar(value)?.properties,
      // The category of one has changed since.
      let number = numbers[value == 0x295 ? .lowercaseLetter : properties.generalCategory]
    else { return ScalarKind(number: 0) }
    // Private-use scalars have no age.
    if let age = properties.age, age.major > 16 { return ScalarKind(number: 0) }
    return ScalarKind(
      number: number | (properties.isAlphabetic ? 32 : 0) | (properties.isWhitespace ? 64 : 0))
  }
}
