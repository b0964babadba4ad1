/// Sentencepiece's compiled normalization rules: a Darts trie of texts, and what each becomes.
import Foundation

/// A rule applies to a whole grapheme of fewer than six bytes, by the shortest text that it begins with; else scalars
/// are looked up one by one, as `tokenizers` does.
struct Charsmap: Sendable {
  private let units: [UInt32]
  /// What texts become, in UTF-8, each up to a zero.
  private let results: [UInt8]
  /// How many times longer a text may become, at most.
  let growth: Double

  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    var start = 0
    while start < text.count {
      // Between two characters of ASCII a grapheme ends, except in a line's end.
      var end = start + 1
      while end < text.count, text[end] | text[end - 1] >= 0x80 || text[end] == 0x0A && text[end - 1] == 0x0D {
        end += 1
      }
      if end == start + 1 {
        appendScalar(UnsafeBufferPointer(rebasing: text[start..<end]), into: &output)
      } else {
        for var grapheme in String(decoding: text[start..<end], as: UTF8.self).map(String.init) {
          grapheme.withUTF8 { append(grapheme: $0, into: &output) }
        }
      }
      start = end
    }
  }

  private func append(grapheme: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    if grapheme.count < 6, let result = result(grapheme) { return output.append(contentsOf: results[result]) }
    var index = 0
    while index < grapheme.count {
      let start = index
      _ = grapheme.scalar(at: &index)
      appendScalar(UnsafeBufferPointer(rebasing: grapheme[start..<index]), into: &output)
    }
  }

  private func appendScalar(_ scalar: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    if let result = result(scalar) {
      output.append(contentsOf: results[result])
    } else {
      output.append(contentsOf: scalar)
    }
  }

  /// What the shortest text of the trie with which `text` begins becomes.
  private func result(_ text: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
    var place = Self.offset(units[0])
    for byte in text where byte != 0 {
      place ^= Int(byte)
      guard place < units.count else { return nil }
      let unit = units[place]
      guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
      place ^= Self.offset(unit)
      guard unit >> 8 & 1 == 1 else { continue }
      guard place < units.count else { return nil }
      let start = Int(units[place] & (1 << 31 - 1))
      guard start < results.count, results[start] & 0xC0 != 0x80 else { return nil }
      return start..<(results[start...].firstIndex(of: 0) ?? results.count)
    }
    return nil
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }
}

extension Charsmap {
  init(_ fields: TokenizerFields) throws {
    let written = try fields.string("precompiled_charsmap")
    func invalid(_ found: String, _ expected: String) -> TokenizerError {
      fields.invalid("precompiled_charsmap", found: found, expected: expected)
    }
    guard let data = Data(base64Encoded: written) else { throw invalid("no base64", "base64") }
    let bytes = [UInt8](data)
    let word = { (at: Int) in (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
    guard bytes.count >= 8, case let size = Int(word(0)), size >= 4, size % 4 == 0, size <= bytes.count - 4 else {
      throw invalid("\(bytes.count) bytes with another size of the trie", "the size of a trie, a trie, and texts")
    }
    units = stride(from: 4, to: 4 + size, by: 4).map(word)
    results = Array(bytes[(4 + size)...])
    guard String(validating: results, as: UTF8.self) != nil else {
      throw invalid("a trie with texts that are not UTF-8", "UTF-8")
    }
    growth = Double(results.split(separator: 0).map(\.count).max() ?? 1)
  }
}
