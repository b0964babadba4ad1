/// What Unicode says of each scalar, as the tokenizers library sees it: its categories are those of Unicode 8.
import Foundation

/// Traits of one scalar that normalizers and pre-tokenizers ask for.
struct ScalarTraits: OptionSet, Sendable {
  let rawValue: UInt8

  static let whitespace = ScalarTraits(rawValue: 1)
  /// Categories Cc, Cf, Co.
  static let other = ScalarTraits(rawValue: 2)
  /// ASCII punctuation and symbols, else categories P*.
  static let punctuation = ScalarTraits(rawValue: 4)
  /// Category Mn.
  static let nonspacingMark = ScalarTraits(rawValue: 8)
  /// Its canonical combining class is not 0, so canonical order may move it.
  static let reorders = ScalarTraits(rawValue: 16)
  static let decomposes = ScalarTraits(rawValue: 32)
  static let lowercases = ScalarTraits(rawValue: 64)
  static let ideograph = ScalarTraits(rawValue: 128)

  /// Traits of a Unicode scalar value.
  @inline(__always)
  static func of(_ scalar: UInt32) -> ScalarTraits {
    scalar < UInt32(table.count) ? table[Int(scalar)] : looked(up: scalar)
  }

  /// The full canonical decomposition of a scalar that `decomposes`, in canonical order.
  static func decomposition(of scalar: UInt32) -> [UInt32] {
    let hangul = Int(scalar) - 0xAC00
    if hangul >= 0, hangul < 11172 {  // The Unicode Standard, 3.12
      let trail = hangul % 28
      let leads = [UInt32(0x1100 + hangul / 588), UInt32(0x1161 + hangul % 588 / 28)]
      return trail == 0 ? leads : leads + [UInt32(0x11A7 + trail)]
    }
    return decompositions[scalar] ?? [scalar]
  }

  static func combiningClass(of scalar: UInt32) -> UInt8 {
    Unicode.Scalar(scalar).map { $0.properties.canonicalCombiningClass.rawValue } ?? 0
  }

  private static let table = (0..<UInt32(0x20000)).map(looked(up:))

  private static func looked(up value: UInt32) -> ScalarTraits {
    switch value {  // the largest blocks, whose scalars are alike
    case 0x3400...0x4DBF, 0x4E00...0x9FFF: return .ideograph
    case 0xAC00..<0xAC00 + 11172: return .decomposes
    default: break
    }
    guard let scalar = Unicode.Scalar(value) else { return [] }
    let properties = scalar.properties
    var traits: ScalarTraits = []
    if properties.isWhitespace { traits.insert(.whitespace) }
    if isIdeograph(value) { traits.insert(.ideograph) }
    if properties.changesWhenLowercased { traits.insert(.lowercases) }
    if decompositions[value] != nil { traits.insert(.decomposes) }
    if properties.canonicalCombiningClass != .notReordered { traits.insert(.reorders) }
    return traits.union(category(of: scalar))
  }

  /// The traits that come from the general category, in Unicode 8.
  private static func category(of scalar: Unicode.Scalar) -> ScalarTraits {
    if let changed = recategorized[scalar.value] { return changed }
    // Private-use scalars have no age.
    guard scalar.properties.age.map({ $0.major <= 8 }) ?? true else { return [] }
    switch scalar.properties.generalCategory {
    case .control, .format, .privateUse: return .other
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return .punctuation
    case .mathSymbol, .currencySymbol, .modifierSymbol: return scalar.isASCII ? .punctuation : []
    case .nonspacingMark: return .nonspacingMark
    default: return []
    }
  }

  /// Scalars whose category has changed since Unicode 8.
  private static let recategorized: [UInt32: ScalarTraits] = [
    0x166D: .punctuation, 0x1734: .nonspacingMark, 0x1885: [], 0x1886: [], 0xA9BD: [],
    0x111C9: .punctuation, 0x1171E: .nonspacingMark,
  ]

  /// The blocks that the BERT normalizer sets apart.
  private static func isIdeograph(_ value: UInt32) -> Bool {
    switch value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// Every canonical decomposition except Hangul's.
  static let decompositions: [UInt32: [UInt32]] = {
    var canonical = decompositions(\.decomposedStringWithCanonicalMapping)
    canonical[0x11938] = nil  // unknown to the library
    return canonical
  }()

  /// Every full compatible decomposition, canonical ones included, except Hangul's, of scalars that the library knows.
  static let compatibleDecompositions = decompositions(\.decomposedStringWithCompatibilityMapping)
    .filter { scalar, _ in Unicode.Scalar(scalar).map(isKnown) ?? false }

  /// Whether the library's tables of normalization, which are those of Unicode 9, have the scalar.
  static func isKnown(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.age.map { $0.major <= 9 } ?? false }

  /// Whether the composed forms leave a scalar whole that has a canonical decomposition.
  static func isComposed(_ scalar: UInt32) -> Bool {
    guard let scalar = Unicode.Scalar(scalar) else { return false }
    return String(scalar).precomposedStringWithCanonicalMapping.unicodeScalars.elementsEqual(CollectionOfOne(scalar))
  }

  /// Scalars that may decompose, and a text of them, a line each: a starter that composes with nothing between them.
  private static let candidates: (scalars: [Unicode.Scalar], lines: String) = {
    let blocks: [ClosedRange<UInt32>] = [
      0xA0...0x33FF, 0xA000...0xABFF, 0xF900...0xFFFF, 0x10000...0x1FFFF, 0x2F800...0x2FA1F,
    ]
    let scalars = blocks.joined().compactMap(Unicode.Scalar.init).filter { $0.properties.age != nil }
    var lines = String.UnicodeScalarView()
    for scalar in scalars {
      lines.append(scalar)
      lines.append("\n")
    }
    return (scalars, String(lines))
  }()

  /// What one pass of the system's normalizer changes among all candidates.
  private static func decompositions(_ normalize: (String) -> String) -> [UInt32: [UInt32]] {
    var result: [UInt32: [UInt32]] = [:]
    var index = 0
    var parts: [UInt32] = []
    for part in normalize(candidates.lines).unicodeScalars {
      if part != "\n" {
        parts.append(part.value)
        continue
      }
      let scalar = candidates.scalars[index].value
      if parts.count != 1 || parts[0] != scalar { result[scalar] = parts }
      parts.removeAll(keepingCapacity: true)
      index += 1
    }
    return result
  }
}
