/// Trains a WordPiece vocabulary as the tokenizers library does: the most frequent neighbours in words become a piece,
/// again and again. Equal counts are decided by ids, ids by the order of scalars: the same texts give the same bytes.

package struct WordPieceTrainer: Sendable {
  package var vocabularySize: Int
  /// Pairs that occur less often become no piece.
  package var minimumFrequency: Int
  /// The most frequent characters to know, at most; others are unknown. Nil: all.
  package var alphabetLimit: Int?
  package var lowercases: Bool

  package static let specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  static let continuation = "##"

  package init(
    vocabularySize: Int, minimumFrequency: Int = 2, alphabetLimit: Int? = nil, lowercases: Bool = false
  ) {
    self.vocabularySize = vocabularySize
    self.minimumFrequency = minimumFrequency
    self.alphabetLimit = alphabetLimit
    self.lowercases = lowercases
  }

  /// The normalizer of the trained tokenizer; accents stay, for decomposing would take Hangul syllables apart.
  var normalizer: BertNormalizer { BertNormalizer(stripsAccents: false, lowercases: lowercases) }

  /// Throws `.vocabularyTooSmall` if special tokens and characters alone exceed the vocabulary's size.
  package func train(_ texts: some Sequence<String>) throws -> WordPieceVocabulary {
    let counted = countWords(texts)
    var pieces = Self.specialTokens
    var words = try spell(counted, with: &pieces)
    var merger = PairMerger(words: words, counts: counted.map(\.count))
    words = []
    var ids = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { (Array($1.utf8), Int32($0)) })
    while pieces.count < vocabularySize, let pair = merger.mostFrequentPair(atLeast: max(1, minimumFrequency)) {
      let left = pieces[Int(pair.left)]
      let right = pieces[Int(pair.right)].utf8.dropFirst(Self.continuation.utf8.count)
      let piece = Array(left.utf8) + right
      let id = ids[piece] ?? Int32(pieces.count)
      if id == pieces.count {
        ids[piece] = id
        pieces.append(String(decoding: piece, as: UTF8.self))
      }
      merger.merge(pair, into: id)
    }
    return WordPieceVocabulary(pieces: pieces, lowercases: lowercases)
  }

  /// Distinct words with their counts, ordered by bytes.
  private func countWords(_ texts: some Sequence<String>) -> [(word: [UInt8], count: Int)] {
    var counts: [[UInt8]: Int] = [:]
    var normalized: [UInt8] = []
    for var text in texts {
      normalized.removeAll(keepingCapacity: true)
      text.withUTF8 { normalizer.normalize($0, into: &normalized) }
      normalized.withUnsafeBufferPointer { bytes in
        PreTokenizer.splitLikeBert(bytes, bytes.indices) { counts[Array(bytes[$0]), default: 0] += 1 }
      }
    }
    return counts.map { (word: $0.key, count: $0.value) }.sorted { $0.word.lexicographicallyPrecedes($1.word) }
  }

  /// Adds the alphabet to `pieces`, first as word starts, then as continuations, and spells each word with it.
  private func spell(
    _ words: [(word: [UInt8], count: Int)], with pieces: inout [String]
  ) throws -> [[Int32]] {
    var frequencies: [Unicode.Scalar: Int] = [:]
    var continues: Set<Unicode.Scalar> = []
    let spelled = words.map { Array(String(decoding: $0.word, as: UTF8.self).unicodeScalars) }
    for (scalars, word) in zip(spelled, words) {
      for scalar in scalars { frequencies[scalar, default: 0] += word.count }
      continues.formUnion(scalars.dropFirst())
    }
    let kept = frequencies.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(alphabetLimit ?? .max)
    let alphabet = kept.map(\.key).sorted()
    let continuing = alphabet.filter(continues.contains)
    pieces += alphabet.map { String($0) } + continuing.map { Self.continuation + String($0) }
    guard pieces.count <= vocabularySize else {
      throw TokenizerError.vocabularyTooSmall(requested: vocabularySize, needed: pieces.count)
    }
    let firstStart = Self.specialTokens.count
    let firstContinuing = firstStart + alphabet.count
    let starts = Dictionary(uniqueKeysWithValues: zip(alphabet, Int32(firstStart)...))
    let continuations = Dictionary(uniqueKeysWithValues: zip(continuing, Int32(firstContinuing)...))
    return spelled.map { scalars in
      scalars.enumerated().compactMap { index, scalar in (index == 0 ? starts : continuations)[scalar] }
    }
  }
}
