/// The second step: normalized text to words. Each kind of the tokenizers format is a case.

enum PreTokenizer: Sendable {
  case none
  /// White space separates and goes; each punctuation mark is a word.
  case bert
  case whitespace
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
    case .none, .bert, .whitespace, .byteLevel, .pattern: false
    }
  }

  /// A word's place in a buffer that a model may overwrite before it, and whether the text begins with it.
  typealias Word = (_ text: UnsafeMutableBufferPointer<UInt8>, _ word: Range<Int>, _ beginsText: Bool) -> Void

  /// Calls `word` with each word of `segment`, in order; `beginsText` says whether the text begins with the segment.
  @inline(__always)
  func split(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, _ beginsText: Bool, _ word: Word
  ) {
    func isFirst(_ place: Int) -> Bool { beginsText && place == segment.lowerBound }
    switch self {
    case .none: if !segment.isEmpty { word(text, segment, beginsText) }
    case .bert: Self.splitLikeBert(UnsafeBufferPointer(text), segment) { word(text, $0, isFirst($0.lowerBound)) }
    case .whitespace:
      Self.splitAtWhitespace(UnsafeBufferPointer(text), segment) { word(text, $0, isFirst($0.lowerBound)) }
    case .metaspace(let metaspace): metaspace.split(text, segment, beginsText, word)
    case .byteLevel(let byteLevel): byteLevel.split(UnsafeBufferPointer(text), segment, beginsText, word)
    case .pattern(let split):
      split.split(UnsafeBufferPointer(text), segment) { word(text, $0, isFirst($0.lowerBound)) }
    case .sequence(let steps): Self.split(by: steps[...], text, segment, beginsText, word)
    }
  }

  private static func split(
    by steps: ArraySlice<PreTokenizer>, _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>,
    _ beginsText: Bool, _ word: Word
  ) {
    guard let first = steps.first else { return PreTokenizer.none.split(text, segment, beginsText, word) }
    first.split(text, segment, beginsText) { Self.split(by: steps.dropFirst(), $0, $1, $2, word) }
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

  private static func splitAtWhitespace(
    _ text: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ word: (Range<Int>) -> Void
  ) {
    var start = segment.lowerBound
    var index = start
    while index < segment.upperBound {
      let here = index
      guard ScalarTraits.of(text.scalar(at: &index)).contains(.whitespace) else { continue }
      if here > start { word(start..<here) }
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
    switch try fields.string("type") {
    case "BertPreTokenizer": self = .bert
    case "WhitespaceSplit": self = .whitespace
    case "Metaspace": self = .metaspace(try Metaspace(fields))
    case "ByteLevel": self = .byteLevel(try ByteLevel(fields))
    case "Split": self = .pattern(try Split(fields))
    case "Sequence": self = .sequence(try fields.steps("pretokenizers").map { try PreTokenizer($0) })
    case let type:
      throw fields.unsupported(
        type, supported: ["BertPreTokenizer", "WhitespaceSplit", "Metaspace", "ByteLevel", "Split", "Sequence"])
    }
  }
}
