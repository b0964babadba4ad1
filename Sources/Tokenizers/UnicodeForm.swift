/// Unicode's normalization forms (UAX 15) as the tokenizers library has them: its tables are those of Unicode 9.

enum UnicodeForm: UInt8, Sendable {
  case nfc = 1
  case nfd = 2
  case nfkc = 4
  case nfkd = 8

  /// Appends the text in this form. What no form changes is copied.
  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    let tables = NormalizationTables.shared
    output.reserveCapacity(output.count + text.count)
    var copied = 0  // what lies before is in the output
    var previous = 0  // where the scalar before begins, with which the next may compose
    var index = 0
    while index < text.count {
      let here = index
      if text[here] < 0x80 || tables.keeps(text.scalar(at: &index), self) {
        previous = here
        index = max(index, here + 1)
        continue
      }
      while index < text.count {
        var next = index
        if tables.keeps(text.scalar(at: &next), self) { break }
        index = next
      }
      output.append(contentsOf: text[copied..<previous])
      let stretch = UnsafeBufferPointer(rebasing: text[previous..<index])
      for scalar in normalized(stretch, tables) { output.append(scalar: scalar) }
      (copied, previous) = (index, index)
    }
    output.append(contentsOf: text[copied...])
  }

  private func normalized(_ text: UnsafeBufferPointer<UInt8>, _ tables: NormalizationTables) -> [UInt32] {
    var scalars: [UInt32] = []
    let isCompatible = self == .nfkc || self == .nfkd
    text.forEachScalar { tables.decompose($0, isCompatible: isCompatible, into: &scalars) }
    tables.order(&scalars)
    if self == .nfc || self == .nfkc { tables.compose(&scalars) }
    return scalars
  }
}

/// What the forms know of scalars.
struct NormalizationTables: Sendable {
  static let shared = NormalizationTables()

  private static let combiningMark: UInt8 = 16

  /// The forms that leave a scalar as it is whatever stands around it, and whether it is a combining mark.
  private var traits = [UInt8](repeating: 15, count: 0x2FA20)
  /// Full compatible decompositions, the canonical ones among them.
  private let compatible = ScalarTraits.compatibleDecompositions
  /// The canonical combining classes that are not 0, by scalar.
  private var classes: [UInt32: UInt8] = [:]
  /// The composed scalar of two.
  private var compositions: [UInt64: UInt32] = [:]

  @inline(__always)
  func keeps(_ scalar: UInt32, _ form: UnicodeForm) -> Bool {
    scalar >= UInt32(traits.count) || traits[Int(scalar)] & form.rawValue != 0
  }

  func isCombiningMark(_ scalar: UInt32) -> Bool {
    scalar < UInt32(traits.count)
      ? traits[Int(scalar)] & Self.combiningMark != 0 : (0xE0100..<0xE01F0).contains(scalar)  // variation selectors
  }

  func decompose(_ scalar: UInt32, isCompatible: Bool, into scalars: inout [UInt32]) {
    if isCompatible, let parts = compatible[scalar] {
      scalars += parts
    } else if ScalarTraits.of(scalar).contains(.decomposes) {
      scalars += ScalarTraits.decomposition(of: scalar)
    } else {
      scalars.append(scalar)
    }
  }

  /// Puts each run of marks into canonical order.
  func order(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      guard classes[scalars[start]] != nil else {
        start += 1
        continue
      }
      var marks: [(key: Int, scalar: UInt32)] = []
      while start + marks.count < scalars.count, let order = classes[scalars[start + marks.count]] {
        marks.append((Int(order) << 32 | marks.count, scalars[start + marks.count]))
      }
      marks.sort { $0.key < $1.key }
      for mark in marks {
        scalars[start] = mark.scalar
        start += 1
      }
    }
  }

  /// Joins each scalar to the starter before it, if no scalar of its class or of none stands between them.
  func compose(_ scalars: inout [UInt32]) {
    var kept = 0
    var starter: Int?
    var last: UInt8 = 0  // the class of the scalar before, if it is not the starter
    for scalar in scalars {
      let order = classes[scalar] ?? 0
      if let starter, starter == kept - 1 || last < order, let joined = composition(scalars[starter], scalar) {
        scalars[starter] = joined
        continue
      }
      if order == 0 { starter = kept }
      last = order
      scalars[kept] = scalar
      kept += 1
    }
    scalars.removeLast(scalars.count - kept)
  }

  private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if (0x1100..<0x1113).contains(first), (0x1161..<0x1176).contains(second) {  // The Unicode Standard, 3.12
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if (0xAC00..<0xD7A4).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8..<0x11C3).contains(second) {
      return first + second - 0x11A7
    }
    return compositions[UInt64(first) << 32 | UInt64(second)]
  }

  private init() {
    for value in [0x300..<0x3400, 0xA000..<0xAC00, 0xF900..<0x12000, 0x16000..<0x17000, 0x1BC00..<0x1F000].joined() {
      guard let scalar = Unicode.Scalar(UInt32(value)) else { continue }
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .spacingMark, .enclosingMark: break
      default: continue
      }
      guard ScalarTraits.isKnown(scalar) else { continue }
      traits[value] |= Self.combiningMark
      let order = scalar.properties.canonicalCombiningClass
      if order != .notReordered {
        classes[scalar.value] = order.rawValue
        change(scalar.value, [.nfc, .nfd, .nfkc, .nfkd])
      }
    }
    // Categories that have changed since.
    for mark in [0x1CF2, 0x1CF3] { traits[mark] |= Self.combiningMark }
    traits[0x111C9] &= ~Self.combiningMark
    for syllable in 0xAC00..<UInt32(0xD7A4) { change(syllable, [.nfd, .nfkd]) }
    for jamo in [0x1161..<UInt32(0x1176), 0x11A8..<0x11C3].joined() { change(jamo, [.nfc, .nfkc]) }
    let canonical = ScalarTraits.decompositions
    for (scalar, parts) in compatible where parts != canonical[scalar] { change(scalar, [.nfkc, .nfkd]) }
    // Scalars that are never composed fall apart in the composed forms too.
    let composed = canonical.filter { scalar, _ in ScalarTraits.isComposed(scalar) }
    let whole = Dictionary(composed.map { ($1, $0) }) { first, _ in first }
    for (scalar, parts) in canonical {
      change(scalar, [.nfd, .nfkd])
      guard composed[scalar] != nil, let second = parts.last else {
        change(scalar, [.nfc, .nfkc])
        continue
      }
      let first = parts.count == 2 ? parts[0] : whole[Array(parts.dropLast())]
      guard let first else { continue }
      compositions[UInt64(first) << 32 | UInt64(second)] = scalar
      change(second, [.nfc, .nfkc])
    }
  }

  private mutating func change(_ scalar: UInt32, _ forms: [UnicodeForm]) {
    for form in forms { traits[Int(scalar)] &= ~form.rawValue }
  }
}
