/// Added tokens: found in the text before the model sees it, the leftmost and of these the longest first.

struct AddedToken: Sendable {
  let content: String
  /// What a file says; absent: the token comes behind all others.
  let writtenID: Int32?
  var id: Int32 = -1
  var isSpecial: Bool
  let isNormalized: Bool
  /// Not found inside a word.
  let isSingleWord: Bool
  let stripsLeft: Bool
  let stripsRight: Bool
}

struct AddedTokens: Sendable {
  let all: [AddedToken]
  /// Found in the text as it comes, and in the normalized text.
  let raw: AddedTokenMatcher
  let normalized: AddedTokenMatcher

  /// Says which tokens have another id than their file says: the library goes by the vocabulary.
  private(set) var notices: [String] = []

  /// - Parameter tokens: of equal ones the last counts, in the first one's place.
  init(_ tokens: [AddedToken], _ model: Model, normalizer: Normalizer, file: String) {
    var all: [AddedToken] = []
    var places: [[UInt8]: Int] = [:]
    for token in tokens where !token.content.isEmpty {
      if let place = places.updateValue(all.count, forKey: Array(token.content.utf8)) {
        places[Array(token.content.utf8)] = place
        all[place] = token
      } else {
        all.append(token)
      }
    }
    var next = model.count
    for place in all.indices {
      all[place].id = model.id(of: all[place].content) ?? Int32(clamping: next)
      next = max(next, Int(all[place].id) + 1)
      guard let written = all[place].writtenID, all[place].id != written else { continue }
      notices.append(
        "\(file) gives the added token \"\(all[place].content)\" the id \(written); as in the tokenizers library "
          + "it has \(all[place].id), which follows from the vocabulary")
    }
    self.all = all
    let ordered = all.filter(\.isSpecial) + all.filter { !$0.isSpecial }
    raw = AddedTokenMatcher(ordered.filter { !$0.isNormalized }.map { (Array($0.content.utf8), $0) })
    normalized = AddedTokenMatcher(
      ordered.filter(\.isNormalized).map { token in
        var pattern: [UInt8] = []
        Array(token.content.utf8).withUnsafeBufferPointer { normalizer.normalize($0, into: &pattern) }
        return (pattern, token)
      })
  }
}

struct AddedTokenMatcher: Sendable {
  private let tokens: [(token: AddedToken, count: Int)]
  private let matcher: PatternMatcher

  init(_ patterns: [(pattern: [UInt8], token: AddedToken)]) {
    tokens = patterns.map { ($0.token, $0.pattern.count) }
    matcher = PatternMatcher(patterns.map(\.pattern))
  }

  /// Calls `segment` for each stretch of text and each token found, in order.
  func split(_ text: UnsafeBufferPointer<UInt8>, _ segment: (Range<Int>, Int32?) -> Void) {
    var matches: [(place: Int, token: Int)] = []  // the leftmost last
    matcher.forEach(in: text) { matches.append(($0, $1)) }
    var start = 0
    var index = 0
    var blank = 0..<0  // the stretch of white space that was last stepped over
    while let match = matches.popLast() {
      if match.place < index { continue }
      let (token, count) = tokens[match.token]
      var found = match.place..<match.place + count
      index = found.upperBound
      if token.isSingleWord, touchesWord(found, in: text) { continue }
      if token.stripsLeft {
        let low = whitespaceStart(before: found.lowerBound, after: start, in: text)
        found = min(low, found.upperBound)..<found.upperBound
      }
      if token.stripsRight {
        if !blank.contains(index) { blank = index..<whitespaceEnd(after: index, in: text) }
        found = found.lowerBound..<blank.upperBound
      }
      if start < found.lowerBound { segment(start..<found.lowerBound, nil) }
      segment(found, token.id)
      start = found.upperBound
    }
    if start < text.count { segment(start..<text.count, nil) }
  }

  private func touchesWord(_ range: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
    var before = range.lowerBound
    var after = range.upperBound
    return before > 0 && isWordScalar(text.scalar(before: &before))
      || after < text.count && isWordScalar(text.scalar(at: &after))
  }

  /// `\w` of regular expressions: Unicode Technical Standard 18, annex C.
  private func isWordScalar(_ value: UInt32) -> Bool {
    guard let properties = Unicode.Scalar(value)?.properties else { return false }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }

  /// Not before `limit`, up to where the text is taken.
  private func whitespaceStart(before end: Int, after limit: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var start = end
    var previous = end
    while previous > limit, ScalarTraits.of(text.scalar(before: &previous)).contains(.whitespace) { start = previous }
    return max(start, limit)
  }

  private func whitespaceEnd(after start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var end = start
    var next = start
    while next < text.count, ScalarTraits.of(text.scalar(at: &next)).contains(.whitespace) { end = next }
    return end
  }
}

extension AddedToken {
  /// A special token of that content and no more.
  var plain: AddedToken {
    AddedToken(
      content: content, writtenID: nil, isSpecial: true, isNormalized: false, isSingleWord: false, stripsLeft: false,
      stripsRight: false)
  }

  /// - Parameter id: what a file says elsewhere.
  init(_ fields: TokenizerFields, id: Int32?) throws {
    content = try fields.string("content")
    writtenID = id
    isSpecial = try fields.bool("special", default: false)
    isNormalized = try fields.bool("normalized", default: !isSpecial)
    isSingleWord = try fields.bool("single_word", default: false)
    stripsLeft = try fields.bool("lstrip", default: false)
    stripsRight = try fields.bool("rstrip", default: false)
  }
}
