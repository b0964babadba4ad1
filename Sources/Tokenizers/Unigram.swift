/// Unigram: of all ways to spell a word with pieces the one with the greatest sum of scores (Kudo 2018).
import JSONText

struct Unigram: Sendable {
  let pieces: ByteTrie
  private let scores: [Double]  // [pieces]
  let unknownID: Int32
  /// The pieces `<0x00>` to `<0xFF>` that spell what is unknown; absent: the unknown id stands for it.
  private let byteIDs: [Int32?]?
  /// The score of a character that no piece spells.
  private let unknownScore: Double

  var largestID: Int32 { Int32(scores.count) - 1 }

  /// The best way to spell a word up to one of its bytes: where its last piece begins, negative if there is none.
  private struct Step {
    var score = 0.0
    var start: Int32 = -1
    var id: Int32 = 0
  }

  /// Appends the ids of a word of valid UTF-8.
  func encode(_ text: UnsafeBufferPointer<UInt8>, word: Range<Int>, into ids: inout [Int32]) {
    let first = ids.count
    withUnsafeTemporaryAllocation(of: Step.self, capacity: word.count + 1) { steps in
      steps.initialize(repeating: Step())
      scores.withUnsafeBufferPointer { spell(text, word, scores: $0, into: steps) }
      var end = word.count
      var unknownEnd = end  // of the unknown characters that are one token
      while end > 0 {
        let step = steps[end]
        let start = Int(step.start)
        if step.id != unknownID {
          ids.append(step.id)
          unknownEnd = start
        } else if start == 0 || steps[start].id != unknownID {
          let unknown = word.lowerBound + start..<word.lowerBound + unknownEnd
          appendReversed(unknown: UnsafeBufferPointer(rebasing: text[unknown]), to: &ids)
          unknownEnd = start
        }
        end = start
      }
    }
    ids[first...].reverse()
  }

  /// Viterbi's algorithm, from each character on with all pieces that begin there.
  @inline(__always)
  private func spell(
    _ text: UnsafeBufferPointer<UInt8>, _ word: Range<Int>, scores: UnsafeBufferPointer<Double>,
    into steps: UnsafeMutableBufferPointer<Step>
  ) {
    var next = word.lowerBound
    while next < word.upperBound {
      let place = next
      _ = text.scalar(at: &next)
      let start = place - word.lowerBound
      let score = steps[start].score
      var isSpelt = false
      func offer(_ id: Int32, _ end: Int, _ score: Double) {
        if steps[end].start < 0 || score > steps[end].score {
          steps[end] = Step(score: score, start: Int32(start), id: id)
        }
      }
      pieces.forEachPrefix(of: text, place..<word.upperBound) { end, id in
        offer(id, end - word.lowerBound, score + scores[Int(id)])
        isSpelt = isSpelt || end == next
      }
      if !isSpelt { offer(unknownID, next - word.lowerBound, score + unknownScore) }
    }
  }

  private func appendReversed(unknown: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
    guard let byteIDs, pieces.number(of: unknown) == nil, unknown.allSatisfy({ byteIDs[Int($0)] != nil }) else {
      return ids.append(unknownID)
    }
    for byte in unknown.reversed() { if let id = byteIDs[Int(byte)] { ids.append(id) } }
  }
}

extension Unigram {
  /// As `tokenizers` has it: ten below the lowest score.
  private static let unknownPenalty = 10.0

  init(_ fields: TokenizerFields, _ vocabulary: UnigramVocabulary) throws {
    scores = vocabulary.scores
    pieces = vocabulary.pieces
    guard let lowest = scores.min() else {
      throw fields.invalid("vocab", found: "empty", expected: "pieces")
    }
    unknownID = Int32(try fields.int("unk_id", in: 0...scores.count - 1))
    unknownScore = lowest - Self.unknownPenalty
    let pieces = pieces
    byteIDs = try fields.bool("byte_fallback", default: false) ? Model.byteIDs { pieces.number(of: $0) } : nil
  }
}

/// The pieces and scores of a Unigram model, by id.
struct UnigramVocabulary {
  let pieces: ByteTrie
  let scores: [Double]

  /// Reads the list of `[piece, score]` that `reader` is at.
  init(_ reader: inout JSONReader, file: String) throws {
    var (pieces, ends): ([UInt8], [Int]) = ([], [])
    var scores: [Double] = []
    pieces.reserveCapacity(1 << 21)
    ends.reserveCapacity(1 << 18)
    scores.reserveCapacity(1 << 18)
    func invalid(_ found: String) -> TokenizerError {
      .invalid(field: "model.vocab[\(scores.count)]", found: found, expected: "[piece, score]", file: file)
    }
    try reader.beginArray()
    while try reader.nextElement() {
      try reader.beginArray()
      guard try reader.nextElement() else { throw invalid("an empty list") }
      try reader.appendString(to: &pieces)
      ends.append(pieces.count)
      guard try reader.nextElement() else { throw invalid("a list of 1") }
      guard let first = reader.peek(), first == "-" || ("0"..."9").contains(first),
        case let score = try reader.double(), score.isFinite
      else {
        throw invalid("a piece with a score that is not a finite number")
      }
      guard try !reader.nextElement() else { throw invalid("a longer list") }
      scores.append(score)
    }
    self.pieces = ByteTrie(pieces, ends: ends)
    self.scores = scores
  }
}
