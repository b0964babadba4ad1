/// The third step: a word to ids. Each kind of the tokenizers format is a case; Unigram and BPE will be the next two.
import JSONText

enum Model: Sendable {
  case wordPiece(WordPiece)

  var pieces: PieceTable {
    switch self {
    case .wordPiece(let model): model.pieces
    }
  }

  /// The id that stands for what the vocabulary cannot spell.
  var unknownID: Int32? {
    switch self {
    case .wordPiece(let model): model.unknownID
    }
  }

  /// Bytes that `encode` may overwrite before a word.
  var headroom: Int {
    switch self {
    case .wordPiece(let model): model.continuation.count
    }
  }

  /// Splits `segment` of `text` into words and appends their ids; what precedes the unread part may be overwritten.
  func encode(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, words preTokenizer: PreTokenizer,
    into ids: inout [Int32]
  ) {
    switch self {
    case .wordPiece(let model):
      let start = segment.lowerBound
      preTokenizer.split(UnsafeBufferPointer(rebasing: text[segment])) { word in
        model.encode(text, word: start + word.lowerBound..<start + word.upperBound, into: &ids)
      }
    }
  }
}

extension Model {
  /// Reads the `model` object that `reader` is at.
  init(_ reader: inout JSONReader, file: String) throws {
    var values: JSONValue = [:]
    var vocabulary: JSONReader?  // at its start: it is read in place once the type is known
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word":
        values[key] = try reader.value()
      case "vocab":
        vocabulary = reader
        try reader.skip()
      default: try reader.skip()
      }
    }
    let fields = try TokenizerFields(values, path: "model", file: file)
    guard var vocabulary else { throw fields.invalid("vocab", found: "missing", expected: "the vocabulary") }
    switch try fields.string("type", default: "WordPiece") {
    case "WordPiece": self = .wordPiece(try WordPiece(fields, vocabulary: &vocabulary))
    case let type: throw fields.unsupported(type, supported: ["WordPiece"])
    }
  }
}
