/// Added tokens: found in the text before the model sees it, the leftmost and of these the longest first.

struct AddedToken: Sendable {
  let content: String
  let id: Int32
  let isSpecial: Bool
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

  init(_ tokens: [AddedToken], normalizer: Normalizer) {
    all = tokens.filter { !$0.content.isEmpty }
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
  /// By first byte; longest first, then as given.
  private var candidates: [[(pattern: [UInt8], token: AddedToken)]] = Array(repeating: [], count: 256)
  private var isEmpty = true

  init(_ patterns: [(pattern: [UInt8], token: AddedToken)]) {
    for entry in patterns where !entry.pattern.isEmpty {
      let bucket = Int(entry.pattern[0])
      let place = candidates[bucket].firstIndex { $0.pattern.count < entry.pattern.count }
      candidates[bucket].insert(entry, at: place ?? candidates[bucket].count)
      isEmpty = false
    }
  }

  /// Calls `segment` for each stretch of text and each token found, in order.
  func split(_ text: UnsafeBufferPointer<UInt8>, _ segment: (Range<Int>, Int32?) -> Void) {
    var start = 0
    var index = 0
    while !isEmpty, index < text.count {
      guard let (token, count) = match(in: text, at: index) else {
        index += 1
        continue
      }
      var found = index..<index + count
      index = found.upperBound
      if token.isSingleWord, touchesWord(found, in: text) { continue }
      if token.stripsLeft { found = max(whitespaceStart(before: found.lowerBound, in: text), start)..<found.upperBound }
      if token.stripsRight { found = found.lowerBound..<whitespaceEnd(after: found.upperBound, in: text) }
      if start < found.lowerBound { segment(start..<found.lowerBound, nil) }
      segment(found, token.id)
      start = found.upperBound
    }
    if start < text.count { segment(start..<text.count, nil) }
  }

  @inline(__always)
  private func match(in text: UnsafeBufferPointer<UInt8>, at index: Int) -> (AddedToken, count: Int)? {
    for (pattern, token) in candidates[Int(text[index])]
    where pattern.count <= text.count - index && text[index..<index + pattern.count].elementsEqual(pattern) {
      return (token, pattern.count)
    }
    return nil
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

  private func whitespaceStart(before end: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var start = end
    var previous = end
    while previous > 0, ScalarTraits.of(text.scalar(before: &previous)).contains(.whitespace) { start = previous }
    return start
  }

  private func whitespaceEnd(after start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var end = start
    var next = start
    while next < text.count, ScalarTraits.of(text.scalar(at: &next)).contains(.whitespace) { end = next }
    return end
  }
}

extension AddedToken {
  init(_ fields: TokenizerFields) throws {
    content = try fields.string("content")
    id = try fields.id("id")
    isSpecial = try fields.bool("special", default: false)
    isNormalized = try fields.bool("normalized", default: !isSpecial)
    isSingleWord = try fields.bool("single_word", default: false)
    stripsLeft = try fields.bool("lstrip", default: false)
    stripsRight = try fields.bool("rstrip", default: false)
  }
}
