/// The first step: text to normalized text. Each kind of the tokenizers format is a case.

enum Normalizer: Sendable {
  case none
  case bert(BertNormalizer)
  case nmt
  case form(UnicodeForm)
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case replace(Replacement)
  case prepend([UInt8])
  case precompiled(Charsmap)
  case byteLevel
  indirect case sequence([Normalizer])

  /// Appends the normalized `text` to `output`. Offsets, when needed, would be recorded here beside each output byte.
  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    switch self {
    case .none: output.append(contentsOf: text)
    case .bert(let normalizer): normalizer.normalize(text, into: &output)
    case .nmt: Self.normalizeLikeNmt(text, into: &output)
    case .form(let form): form.normalize(text, into: &output)
    case .lowercase: text.forEachScalar { output.append(lowercased: $0) }
    case .strip(let left, let right): Self.strip(text, left: left, right: right, into: &output)
    case .stripAccents:
      let tables = NormalizationTables.shared
      text.forEachScalar { if !tables.isCombiningMark($0) { output.append(scalar: $0) } }
    case .replace(let replacement): replacement.normalize(text, into: &output)
    case .prepend(let prefix):
      if !text.isEmpty { output += prefix }
      output.append(contentsOf: text)
    case .precompiled(let charsmap): charsmap.normalize(text, into: &output)
    case .byteLevel: ByteLevel.spell(text, into: &output)
    case .sequence(let steps): Self.normalize(text, by: steps, into: &output)
    }
  }

  private static func normalize(
    _ text: UnsafeBufferPointer<UInt8>, by steps: [Normalizer], into output: inout [UInt8]
  ) {
    guard let first = steps.first else { return output.append(contentsOf: text) }
    if steps.count == 1 { return first.normalize(text, into: &output) }
    var (current, next): ([UInt8], [UInt8]) = ([], [])
    first.normalize(text, into: &current)
    for step in steps[1..<(steps.count - 1)] {
      next.removeAll(keepingCapacity: true)
      current.withUnsafeBufferPointer { step.normalize($0, into: &next) }
      swap(&current, &next)
    }
    current.withUnsafeBufferPointer { steps[steps.count - 1].normalize($0, into: &output) }
  }

  /// How many bytes of the normalized text stand for the first character of a whole text, as `count` of `text` do; as
  /// the library's alignments have it, by which `Metaspace` knows where a text begins.
  func beginning(_ text: UnsafeBufferPointer<UInt8>, _ count: Int) -> Int {
    func normalized(_ count: Int) -> Int {
      var output: [UInt8] = []
      normalize(UnsafeBufferPointer(rebasing: text[..<count]), into: &output)
      return output.count
    }
    switch self {
    case .none: return count
    case .bert, .nmt, .form, .lowercase, .stripAccents, .byteLevel: return normalized(count)
    case .strip(let left, _): return left ? normalized(count) : count
    case .prepend(let prefix): return count == 0 ? 0 : prefix.count + count
    case .replace(let replacement): return replacement.beginning(text, count)
    case .precompiled:
      // What goes from the beginning of a text is not counted: the next character stands where it stood.
      var end = count
      while count > 0, end < text.count, normalized(end) == 0 { _ = text.scalar(at: &end) }
      return normalized(end)
    case .sequence(let steps):
      var (current, count) = (Array(text), count)
      for step in steps {
        var next: [UInt8] = []
        current.withUnsafeBufferPointer { text in
          count = step.beginning(text, count)
          step.normalize(text, into: &next)
        }
        current = next
      }
      return count
    }
  }

  /// The controls that sentencepiece's `nmt` rules drop, and what they take for a space.
  private static func normalizeLikeNmt(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    text.forEachScalar { scalar in
      switch scalar {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
        output.append(0x20)
      default: output.append(scalar: scalar)
      }
    }
  }

  private static func strip(
    _ text: UnsafeBufferPointer<UInt8>, left: Bool, right: Bool, into output: inout [UInt8]
  ) {
    var (start, end) = (0, text.count)
    while left, start < end {
      var next = start
      guard ScalarTraits.of(text.scalar(at: &next)).contains(.whitespace) else { break }
      start = next
    }
    while right, end > start {
      var previous = end
      guard ScalarTraits.of(text.scalar(before: &previous)).contains(.whitespace) else { break }
      end = previous
    }
    output.append(contentsOf: text[start..<end])
  }

  /// Builds the tables that the first text would otherwise wait for.
  func prepare() {
    switch self {
    case .form, .stripAccents: _ = NormalizationTables.shared
    case .sequence(let steps): steps.forEach { $0.prepare() }
    default: break
    }
  }

  /// How many times longer a text may become, at most.
  private var growth: Double {
    switch self {
    case .none, .nmt, .strip, .stripAccents, .prepend: 1
    case .bert, .lowercase: 3
    case .byteLevel: 2
    case .form: 11  // UAX 15
    case .replace(let replacement): replacement.growth
    case .precompiled(let charsmap): charsmap.growth
    case .sequence(let steps): steps.reduce(1) { $0 * $1.growth }
    }
  }
}

extension Normalizer {
  init(_ fields: TokenizerFields?) throws {
    guard let fields else {
      self = .none
      return
    }
    switch try fields.string("type") {
    case "BertNormalizer": self = .bert(try BertNormalizer(fields))
    case "Nmt": self = .nmt
    case "NFC": self = .form(.nfc)
    case "NFD": self = .form(.nfd)
    case "NFKC": self = .form(.nfkc)
    case "NFKD": self = .form(.nfkd)
    case "Lowercase": self = .lowercase
    case "Strip": self = .strip(left: try fields.bool("strip_left"), right: try fields.bool("strip_right"))
    case "StripAccents": self = .stripAccents
    case "Replace": self = .replace(try Replacement(fields))
    case "Prepend": self = .prepend(Array(try fields.string("prepend").utf8))
    case "ByteLevel": self = .byteLevel
    case "Precompiled": self = .precompiled(try Charsmap(fields))
    case "Sequence": self = .sequence(try fields.steps("normalizers").map { try Normalizer($0) })
    case let type:
      throw fields.unsupported(
        type,
        supported: [
          "BertNormalizer", "Nmt", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace",
          "Prepend", "Precompiled", "ByteLevel", "Sequence",
        ])
    }
    guard growth <= 1e6 else {
      throw fields.invalid(
        "type", found: "a step that makes a text \(growth) times as long", expected: "at most a million times")
    }
  }
}
