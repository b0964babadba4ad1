/// How values stand in the text of a command, see `ShellText`.
import Escaping

/// How a value is written into a command.
package enum ShellQuoting: Hashable, Sendable {
  /// As a word of its own, or a part of one, outside quotes.
  case word
  /// As the first word of a command, where reserved words and assignments are none.
  case firstWord
  /// In `[[ … ]]`, where operators are none.
  case operand
  /// Between quotes that the command has itself.
  case doubleQuotes
  case singleQuotes
  /// In a comment.
  case comment
  /// Where bash would evaluate what is no number: `$((…))`, `a[…]=`, `[[ … -gt … ]]`.
  case arithmetic

  /// Gives the text as it is to stand in the command.
  func written(_ text: String) -> String {
    switch self {
    case .word: Escape.shellWord(text)
    case .firstWord:
      Self.reserved.contains(text) || text.utf8.contains(UInt8(ascii: "="))
        ? Self.operand.written(text) : Escape.shellWord(text)
    case .operand: "'\(Escape.shellBetweenSingleQuotes(text))'"
    case .doubleQuotes: Escape.shellBetweenDoubleQuotes(text)
    case .singleQuotes: Escape.shellBetweenSingleQuotes(text)
    case .comment: Escape.comment(text)
    case .arithmetic: text
    }
  }

  private static let reserved: Set<String> = [
    "if", "then", "elif", "else", "fi", "case", "esac", "for", "select", "while", "until", "do", "done", "in",
    "function",
    "time", "coproc",
  ]
}

/// Why a value cannot stand in a place, and how to write it instead.
struct ShellRefusal: Error { let reason: String }
