/// The third step: a word to ids. Each kind of the tokenizers format is a case; BPE will be the next.
import JSONText

enum Model: Sendable {
  case wordPiece(WordPiece)
  case unigram(Unigram)

  /// As tokenizer.json calls it.
  var kind: String {
    switch self {
    case .wordPiece: "WordPiece"
    case .unigram: "Unigram"
    }
  }

  /// The greatest id of a piece; negative if there is none.
  var largestID: Int32 {
    switch self {
    case .wordPiece(let model): model.pieces.largestID
    case .unigram(let model): model.largestID
    }
  }

  func id(of piece: String) -> Int32? {
    switch self {
    case .wordPiece(let model): model.pieces.id(of: piece)
    case .unigram(let model): model.pieces.number(of: piece.utf8)
    }
  }

  /// The id that stands for what the vocabulary cannot spell.
  var unknownID: Int32 {
    switch self {
    case .wordPiece(let model): model.unknownID
    case .unigram(let model): model.unknownID
    }
  }

  /// Bytes that `encode` may overwrite before a word.
  var headroom: Int {
    switch self {
    case .wordPiece(let model): model.continuation.count
    case .unigram: 0
    }
  }

  /// Splits `segment` of `text` into words and appends their ids; what precedes the unread part may be overwritten.
  func encode(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, beginsText: Bool, words: PreTokenizer,
    into ids: inout [Int32]
  ) {
    switch self {
    case .wordPiece(let model):
      words.split(text, segment, beginsText) { text, word, _ in model.encode(text, word: word, into: &ids) }
    case .unigram(let model):
      words.split(text, segment, beginsText) { text, word, _ in
        model.encode(UnsafeBufferPointer(text), word: word, into: &ids)
      }
    }
  }
}

extension Model {
  /// Reads the `model` object that `reader` is at.
  init(_ reader: inout JSONReader, file: String) throws {
    var values: JSONValue = [:]
    var vocabulary: JSONReader?  // at its start: it is read in place once the type is known
    var scored: UnigramVocabulary?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "type", "unk_token", "unk_id", "byte_fallback", "continuing_subword_prefix", "max_input_chars_per_word":
        values[key] = try reader.value()
      case "vocab" where reader.peek() == "[": scored = try UnigramVocabulary(&reader, file: file)
      case "vocab":
        vocabulary = reader
        try reader.skip()
      default: try reader.skip()
      }
    }
    let fields = try TokenizerFields(values, path: "model", file: file)
    func missing(_ expected: String) -> TokenizerError {
      fields.invalid(
        "vocab", found: vocabulary == nil && scored == nil ? "missing" : "of another form", expected: expected)
    }
    switch try fields.string("type", default: "WordPiece") {
    case "WordPiece":
      guard var vocabulary else { throw missing("an object of pieces and ids") }
      self = .wordPiece(try WordPiece(fields, vocabulary: &vocabulary))
    case "Unigram":
      guard let scored else { throw missing("a list of pieces and scores") }
      self = .unigram(try Unigram(fields, scored))
    case let type: throw fields.unsupported(type, supported: ["WordPiece", "Unigram"])
    }
  }
}
