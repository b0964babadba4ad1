/// What can be wrong with a tokenizer's files or with a request to cut a pair.
import Foundation

package enum TokenizerError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case malformed(file: String, line: Int, column: Int, found: String, expected: String)
  /// A field has another value or form than the tokenizers format allows.
  case invalid(field: String, found: String, expected: String, file: String)
  case unsupported(component: String, type: String, supported: [String], file: String)
  case cannotTruncate(strategy: TruncationStrategy, first: Int, second: Int, maxLength: Int)
  case vocabularyTooSmall(requested: Int, needed: Int)

  package var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): cannot be read: \(reason). A model folder needs a tokenizer.json;"
        + " transformers writes one with AutoTokenizer.from_pretrained(…).save_pretrained(…)"
    case .malformed(let file, let line, let column, let found, let expected):
      "\(file):\(line):\(column): found \(found), expected \(expected)"
    case .invalid(let field, let found, let expected, let file):
      "\(file): \(field) is \(found), expected \(expected)"
    case .unsupported(let component, let type, let supported, let file):
      "\(file): the \(component) \"\(type)\" is not supported; supported: \(supported.joined(separator: ", "))"
    case .cannotTruncate(let strategy, let first, let second, let maxLength):
      "a pair of \(first) + \(second) tokens cannot be cut to \(maxLength) by \(strategy.rawValue):"
        + " that text has too few tokens; use longest_first or a greater maximum length"
    case .vocabularyTooSmall(let requested, let needed):
      "a vocabulary of \(requested) pieces has no room for \(needed) special tokens and characters;"
        + " raise the vocabulary size or lower the alphabet's limit"
    }
  }
}
