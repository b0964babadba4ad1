/// Ids to text, exactly as the Hugging Face tokenizers library.

package struct TokenDecoder: Sendable {
  private let bytes: [UInt8]  // of all tokens
  /// Where each token lies, by id; nil: no token has it.
  private let places: [Range<Int>?]
  private let special: Set<Int32>
  private let step: DecodingStep

  init(_ model: Model, _ added: AddedTokens, _ normalizer: Normalizer, _ step: DecodingStep) {
    var bytes: [UInt8] = []
    let largest = max(model.largestID, added.all.map(\.id).max() ?? -1)
    // Ids may be far apart: so many are given a place.
    var places = [Range<Int>?](repeating: nil, count: Int(min(largest, 1 << 24)) + 1)
    func add(_ token: some Collection<UInt8>, _ id: Int32) {
      guard id >= 0, Int(id) < places.count else { return }
      places[Int(id)] = bytes.count..<bytes.count + token.count
      bytes += token
    }
    model.forEachPiece { add($0, $1) }
    for token in added.all {
      var content: [UInt8] = []
      // As in the library, a token that is found in normalized text comes back as it stands there.
      Array(token.content.utf8).withUnsafeBufferPointer {
        (token.isNormalized ? normalizer : .none).normalize($0, into: &content)
      }
      add(content, token.id)
    }
    (self.bytes, self.places, self.step) = (bytes, places, step)
    special = Set(added.all.filter(\.isSpecial).map(\.id))
  }

  /// The text of `ids`, without those that no token has and, unless `keepsSpecial`, without special tokens.
  package func decode(_ ids: [Int32], keepsSpecial: Bool = false) -> String {
    let tokens = ids.compactMap { id -> [UInt8]? in
      guard id >= 0, Int(id) < places.count, let place = places[Int(id)], keepsSpecial || !special.contains(id) else {
        return nil
      }
      return Array(bytes[place])
    }
    return String(decoding: step.decode(tokens).joined(), as: UTF8.self)
  }
}
