/// The third step: a word to ids. Each kind of the tokenizers format is a case.
import JSONText

enum Model: Sendable {
  case wordPiece(WordPiece)
  case unigram(Unigram)
  case bpe(BPE)

  /// As tokenizer.json calls it.
  var kind: String {
    switch self {
    case .wordPiece: "WordPiece"
    case .unigram: "Unigram"
    case .bpe: "BPE"
    }
  }

  /// The greatest id of a piece; negative if there is none.
  var largestID: Int32 {
    switch self {
    case .wordPiece(let model): model.pieces.largestID
    case .unigram(let model): model.largestID
    case .bpe(let model): model.pieces.largestID
    }
  }

  /// How many pieces it has.
  var count: Int {
    switch self {
    case .wordPiece(let model): model.pieces.count
    case .unigram(let model): Int(model.largestID) + 1
    case .bpe(let model): model.pieces.count
    }
  }

  func id(of piece: String) -> Int32? {
    switch self {
    case .wordPiece(let model): model.pieces.id(of: piece)
    case .unigram(let model): model.pieces.number(of: piece)
    case .bpe(let model): model.pieces.id(of: piece)
    }
  }

  /// Calls `body` with the bytes of each piece and its id.
  func forEachPiece(_ body: (UnsafeBufferPointer<UInt8>, Int32) -> Void) {
    switch self {
    case .wordPiece(let model): model.pieces.forEach(body)
    case .unigram(let model): model.pieces.forEach(body)
    case .bpe(let model): model.pieces.forEach(body)
    }
  }

  /// The id that stands for what the vocabulary cannot spell; nil: that goes.
  var unknownID: Int32? {
    switch self {
    case .wordPiece(let model): model.unknownID
    case .unigram(let model): model.unknownID
    case .bpe(let model): model.unknownID
    }
  }

  /// Bytes that `encode` may overwrite before a word.
  var headroom: Int {
    switch self {
    case .wordPiece(let model): model.continuation.count
    case .unigram, .bpe: 0
    }
  }

  /// Splits `segment` of `text` into words and appends their ids; what precedes the unread part may be overwritten.
  /// `beginning` of its bytes stand for the text's first character; none, if it is not positive.
  func encode(
    _ text: UnsafeMutableBufferPointer<UInt8>, _ segment: Range<Int>, beginning: Int, words: PreTokenizer,
    into ids: inout [Int32]
  ) {
    switch self {
    case .wordPiece(let model):
      words.split(text, segment, beginning) { text, word, _ in model.encode(text, word: word, into: &ids) }
    case .unigram(let model):
      words.split(text, segment, beginning) { text, word, _ in
        model.encode(UnsafeBufferPointer(text), word: word, into: &ids)
      }
    case .bpe(let model):
      model.caches.withCache { cache in
        words.split(text, segment, beginning) { text, word, _ in
          model.encode(UnsafeBufferPointer(text), word: word, cache, into: &ids)
        }
      }
    }
  }
}

extension Model {
  /// Reads the `model` object that `reader` is at.
  /// - Parameter replacement: the members that count instead of the file's; its type is the one that is expected.
  init(_ reader: inout JSONReader, replacement: JSONValue, file: String) throws {
    var values: JSONValue = [:]
    // At their starts: they are read in place once the type is known.
    var vocabulary: JSONReader?
    var merges: JSONReader?
    var scored: UnigramVocabulary?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "type", "unk_token", "unk_id", "byte_fallback", "continuing_subword_prefix", "max_input_chars_per_word",
        "end_of_word_suffix", "fuse_unk", "ignore_merges", "dropout":
        values[key] = try reader.value()
      case "vocab" where reader.peek() == "[": scored = try UnigramVocabulary(&reader, file: file)
      case "vocab":
        vocabulary = reader
        try reader.skip()
      case "merges":
        merges = reader
        try reader.skip()
      default: try reader.skip()
      }
    }
    let written = values["type"]?.string ?? replacement["type"]?.string
    for member in replacement.members ?? [] { values[member.key] = member.value }
    let fields = try TokenizerFields(values, path: "model", file: file)
    guard written == nil || replacement["type"] == nil || written == replacement["type"]?.string else {
      throw fields.invalid(
        "type", found: "\"\(written ?? "")\"",
        expected: "\"\(replacement["type"]?.string ?? "")\", as tokenizer_class or model_type says")
    }
    func missing(_ expected: String) -> TokenizerError {
      fields.invalid(
        "vocab", found: vocabulary == nil && scored == nil ? "missing" : "of another form", expected: expected)
    }
    switch try fields.string("type", default: merges == nil ? "WordPiece" : "BPE") {
    case "WordPiece":
      guard var vocabulary else { throw missing("an object of pieces and ids") }
      self = .wordPiece(try WordPiece(fields, vocabulary: &vocabulary))
    case "Unigram":
      guard let scored else { throw missing("a list of pieces and scores") }
      self = .unigram(try Unigram(fields, scored))
    case "BPE":
      guard var vocabulary else { throw missing("an object of pieces and ids") }
      guard var merges else { throw fields.invalid("merges", found: "missing", expected: "a list of pairs of pieces") }
      self = .bpe(try BPE(fields, vocabulary: &vocabulary, merges: &merges))
    case let type: throw fields.unsupported(type, supported: ["WordPiece", "Unigram", "BPE"])
    }
  }

  /// The ids of the pieces `<0x00>` to `<0xFF>`, which spell the bytes of what no piece spells.
  static func byteIDs(_ id: (String) -> Int32?) -> [Int32?] {
    (0...255).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return id("<0x\(byte < 16 ? "0" : "")\(digits)>")
    }
  }
}
