/// The first step: text to normalized text. Each kind of the tokenizers format is a case.

enum Normalizer: Sendable {
  case none
  case bert(BertNormalizer)

  /// Appends the normalized `text` to `output`. Offsets, when needed, would be recorded here beside each output byte.
  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    switch self {
    case .none: output.append(contentsOf: text)
    case .bert(let normalizer): normalizer.normalize(text, into: &output)
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
    case let type: throw fields.unsupported(type, supported: ["BertNormalizer"])
    }
  }
}
