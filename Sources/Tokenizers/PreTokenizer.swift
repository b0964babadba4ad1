/// The second step: normalized text to words. Each kind of the tokenizers format is a case.

enum PreTokenizer: Sendable {
  case none
  /// White space separates and goes; each punctuation mark is a word.
  case bert
  case metaspace(Metaspace)
  case byteLevel(ByteLevel)
  case pattern(Split)
  /// Each splits the words of the one before.
  indirect case sequence([PreTokenizer])

  /// Whether it matters where the text begins.
  var marksFirst: Bool {
    switch self {
    case .metaspace(let metaspace): metaspace.prepending == .first
    case .sequence(let steps): steps.contains(where: \.marksFirst)
    case .none, .bert, .byteLevel, .pattern: false
    }
  }

  /// A word's place in a buffer that a model may overwrite before it, and how many of its bytes stand for the text's
  /// first character; none, if that is not positive.
  typealias Word = (_ text: UnsafeMutableBufferPointer<UInt8>, _ word: Range<Int>, _ beginning: Int) -> Void

  /// Calls `word` with each word of `segment`, in order; `beginning` is of the segment what it is of a word.
  @inline(__always)
  func split(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, _ beginning: Int, _ word: Word
  ) {
    func own(_ part: Range<Int>) { word(text, part, beginning - (part.lowerBound - segment.lowerBound)) }
    switch self {
    case .none: if !segment.isEmpty { word(text, segment, beginning) }
    case .bert: Self.splitLikeBert(UnsafeBufferPointer(text), segment, own)
    case .metaspace(let metaspace): metaspace.split(text, segment, beginning, word)
    case .byteLevel(let byteLevel): byteLevel.split(UnsafeBufferPointer(text), segment, beginning, word)
    case .pattern(let split): split.split(UnsafeBufferPointer(text), segment, own)
    case .sequence(let steps): Self.split(by: steps[...], text, segment, beginning, word)
    }
  }

  private static func split(
    by steps: ArraySlice<PreTokenizer>, _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>,
    _ beginning: Int, _ word: Word
  ) {
    guard let first = steps.first else { return PreTokenizer.none.split(text, segment, beginning, word) }
    first.split(text, segment, beginning) { Self.split(by: steps.dropFirst(), $0, $1, $2, word) }
  }

  @inline(__always)
  static func splitLikeBert(_ text: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ word: (Range<Int>) -> Void) {
    var start = segment.lowerBound
    var index = start
    while index < segment.upperBound {
      let here = index
      let traits = ScalarTraits.of(text.scalar(at: &index)).intersection([.whitespace, .punctuation])
      if traits.isEmpty { continue }
      if here > start { word(start..<here) }
      if traits.contains(.punctuation) { word(here..<index) }
      start = index
    }
    if segment.upperBound > start { word(start..<segment.upperBound) }
  }
}

extension PreTokenizer {
  init(_ fields: TokenizerFields?) throws {
    guard let fields else {
      self = .none
      return
    }
    let type = try fields.string("type")
    switch type {
    case "BertPreTokenizer": self = .bert
    case "Metaspace": self = .metaspace(try Metaspace(fields))
    case "ByteLevel": self = .byteLevel(try ByteLevel(fields))
    case "Sequence": self = .sequence(try fields.steps("pretokenizers").map { try PreTokenizer($0) })
    default:
      guard let split = try Split(type: type, fields) else {
        throw fields.unsupported(
          type, supported: ["BertPreTokenizer", "Metaspace", "ByteLevel", "Sequence"] + Split.types)
      }
      self = .pattern(split)
    }
  }
}
