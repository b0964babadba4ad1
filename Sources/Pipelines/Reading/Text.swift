/// Helps for messages: widths of characters in a terminal, counts and lists of words.
import Escaping

extension Unicode.Scalar {
  /// Columns it takes in a terminal: 2 for East Asian wide ones and emoji, 0 for combining marks, else 1.
  package var terminalColumns: Int {
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch value {
    case 0x1160...0x11ff: return 0  // medial and final Hangul jamo join the syllable
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
      0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
      0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
      return 2
    default: return 1
    }
  }
}

extension String {
  /// Columns it takes in a terminal.
  package var terminalColumns: Int { unicodeScalars.reduce(0) { $0 + $1.terminalColumns } }

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
