/// The second step: normalized text to words. Each kind of the tokenizers format is a case.

enum PreTokenizer: Sendable {
  case none
  /// White space separates and goes; each punctuation mark is a word.
  case bert

  /// Calls `word` with the byte range of each word, in order.
  @inline(__always)
  func split(_ text: UnsafeBufferPointer<UInt8>, _ word: (Range<Int>) -> Void) {
    switch self {
    case .none: if !text.isEmpty { word(0..<text.count) }
    case .bert: splitLikeBert(text, word)
    }
  }

  @inline(__always)
  private func splitLikeBert(_ text: UnsafeBufferPointer<UInt8>, _ word: (Range<Int>) -> Void) {
    var start = 0
    var index = 0
    while index < text.count {
      let here = index
      let traits = ScalarTraits.of(text.scalar(at: &index)).intersection([.whitespace, .punctuation])
      if traits.isEmpty { continue }
      if here > start { word(start..<here) }
      if traits.contains(.punctuation) { word(here..<index) }
      start = index
    }
    if text.count > start { word(start..<text.count) }
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
    case let type: throw fields.unsupported(type, supported: ["BertPreTokenizer"])
    }
  }
}
