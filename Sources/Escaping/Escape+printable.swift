/// Text for people to look at: on a terminal, in a comment.

extension Escape {
  /// Gives the text with its control signs shown: `\n`, `\t`, `\x1b`, `\u{202e}`.
  /// - Parameter keepsLines: whether `\n` stays a line break and a tab a tab.
  package static func printable(_ text: String, keepsLines: Bool = false) -> String {
    // Most texts have none, and bytes tell that soonest: beyond ASCII those in UTF-8 begin with 0xc2, 0xe2 or 0xef.
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == 0xc2 || $0 == 0xe2 || $0 == 0xef }) else {
      return text
    }
    return text.replacingScalars { scalar in
      guard scalar.isControlSign else { return nil }
      switch scalar {
      case "\n": return keepsLines ? nil : "\\n"
      case "\t": return keepsLines ? nil : "\\t"
      case "\r": return "\\r"
      default: return scalar.value < 0x100 ? "\\x\(scalar.hexadecimal(2))" : "\\u{\(scalar.hexadecimal(4))}"
      }
    }
  }

  /// Gives the text for a comment that ends with its line: line breaks are blanks, other control signs are left out.
  package static func comment(_ text: String) -> String {
    text.replacingScalars { scalar in
      guard scalar.isControlSign else { return nil }
      return "\n\r\t\u{85}\u{2028}\u{2029}".unicodeScalars.contains(scalar) ? " " : ""
    }
  }
}
