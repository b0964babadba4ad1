/// How well a vocabulary and a length fit the texts: shares of truncated texts and of unknown tokens.
import Foundation

package struct TokenHealth: Sendable, Equatable, Codable {
  package private(set) var texts = 0
  package private(set) var truncatedTexts = 0
  package private(set) var tokens = 0
  package private(set) var unknownTokens = 0

  /// Shares above this are worth a warning.
  package static let tolerated = 0.05

  package init() {}

  package mutating func add(_ encoding: Encoding) {
    texts += 1
    truncatedTexts += encoding.truncated ? 1 : 0
    tokens += encoding.contentTokens
    unknownTokens += encoding.unknowns
  }

  package mutating func merge(_ other: TokenHealth) {
    texts += other.texts
    truncatedTexts += other.truncatedTexts
    tokens += other.tokens
    unknownTokens += other.unknownTokens
  }

  package var truncatedShare: Double { texts == 0 ? 0 : Double(truncatedTexts) / Double(texts) }
  package var unknownShare: Double { tokens == 0 ? 0 : Double(unknownTokens) / Double(tokens) }

  package var report: String {
    "\(texts) texts, \(tokens) tokens: \(percent(truncatedShare)) of texts truncated,"
      + " \(percent(unknownShare)) of tokens unknown"
  }

  /// What to do about shares above `tolerated`; nil if there is nothing.
  package var warning: String? {
    var remedies: [String] = []
    if truncatedShare > Self.tolerated {
      remedies.append("\(percent(truncatedShare)) of texts are truncated: raise max_len or shorten the texts")
    }
    if unknownShare > Self.tolerated {
      remedies.append(
        "\(percent(unknownShare)) of tokens are unknown: the vocabulary does not fit the language of the texts")
    }
    return remedies.isEmpty ? nil : remedies.joined(separator: "; ")
  }

  private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
}
