/// Helps for messages: shortened texts, counts, lists of words.
import Escaping

extension String {
  /// At most 60 characters of it, in one line and with control signs shown, for messages.
  var shortened: String { shortened(to: 60) }

  func shortened(to count: Int) -> String {
    Escape.printable(String(String.UnicodeScalarView(unicodeScalars.prefix(count))))
      + (unicodeScalars.dropFirst(count).isEmpty ? "" : "…")
  }
}

/// Gives `1 stage`, `2 stages`.
/// - Parameter many: the plural, where it is more than an `s`.
package func counted(_ count: Int, _ one: String, _ many: String? = nil) -> String {
  "\(count) \(count == 1 ? one : many ?? one + "s")"
}

extension Sequence<String> {
  /// `a`, `a or b`, `a, b or c`.
  func joined(last word: String) -> String {
    let words = Array(self)
    return words.count < 2
      ? words.joined() : words.dropLast().joined(separator: ", ") + " \(word) " + words[words.count - 1]
  }
}
