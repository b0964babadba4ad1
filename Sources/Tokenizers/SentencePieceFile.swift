/// A model of sentencepiece, `sentencepiece.bpe.model`, as its protobuf message says it; nothing is allocated by counts
/// that the file states.
import Foundation

struct SentencePieceFile {
  struct Piece {
    var text = ""
    var score: Float = 0
    var kind = Kind.normal.rawValue
  }

  enum Kind: UInt64 { case normal = 1, unknown, control, userDefined, unused, byte }

  private(set) var pieces: [Piece] = []
  /// Whether it is a Unigram model, as sentencepiece's are unless they say otherwise.
  private(set) var isUnigram = true
  /// The compiled rules of normalization; empty if there are none.
  private(set) var charsmap = Data()

  init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
    func read(_ message: Range<Int>, _ field: (Int, Field) -> Void) throws {
      guard Self.forEachField(of: bytes, in: message, field) else {
        throw TokenizerError.invalid(
          field: "the message at byte \(message.lowerBound)", found: "cut off or of another form",
          expected: "a model of sentencepiece", file: file)
      }
    }
    var (messages, trainer, normalizer): ([Range<Int>], [Range<Int>], [Range<Int>]) = ([], [], [])
    try read(bytes.indices) { number, field in
      guard case .bytes(let range) = field else { return }
      switch number {
      case 1: messages.append(range)
      case 2: trainer.append(range)
      case 3: normalizer.append(range)
      default: break
      }
    }
    for message in messages {
      var (piece, isText) = (Piece(), true)
      try read(message) { number, field in
        switch (number, field) {
        case (1, .bytes(let range)):
          let text = String(validating: bytes[range], as: UTF8.self)
          (piece.text, isText) = (text ?? "", text != nil)
        case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
        case (3, .varint(let kind)): piece.kind = kind
        default: break
        }
      }
      guard isText, piece.score.isFinite else {
        throw TokenizerError.invalid(
          field: "piece \(pieces.count)", found: isText ? "a score of \(piece.score)" : "not UTF-8",
          expected: isText ? "a finite number" : "UTF-8", file: file)
      }
      pieces.append(piece)
    }
    for message in trainer {
      try read(message) { number, field in if number == 3, case .varint(let kind) = field { isUnigram = kind == 1 } }
    }
    for message in normalizer {
      try read(message) { number, field in
        if number == 2, case .bytes(let range) = field { charsmap = Data(bytes[range]) }
      }
    }
  }

  private enum Field {
    case varint(UInt64)
    case fixed32(UInt32)
    case bytes(Range<Int>)
    case fixed64
  }

  /// Calls `body` with each field of a message; false if it is none.
  private static func forEachField(
    of bytes: UnsafeRawBufferPointer, in message: Range<Int>, _ body: (Int, Field) -> Void
  ) -> Bool {
    var next = message.lowerBound
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard next < message.upperBound else { return nil }
        let byte = bytes[next]
        next += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    func take(_ count: UInt64) -> Range<Int>? {
      guard count <= UInt64(message.upperBound - next) else { return nil }
      defer { next += Int(count) }
      return next..<next + Int(count)
    }
    while next < message.upperBound {
      guard let tag = varint(), let number = Int(exactly: tag >> 3), number > 0 else { return false }
      switch tag & 7 {
      case 0:
        guard let value = varint() else { return false }
        body(number, .varint(value))
      case 1:
        guard take(8) != nil else { return false }
        body(number, .fixed64)
      case 2:
        guard let count = varint(), let range = take(count) else { return false }
        body(number, .bytes(range))
      case 5:
        guard let range = take(4) else { return false }
        body(number, .fixed32(range.reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }))
      default: return false
      }
    }
    return true
  }
}
