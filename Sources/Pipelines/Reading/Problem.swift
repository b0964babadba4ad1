/// What is wrong with a pipeline file, where, and what would be right; shown with the line and a caret.
import Basics
import Escaping
import Foundation

/// A place in a text file. Lines and columns count from 1; a column is a Unicode scalar, as editors count.
package struct SourceLocation: Hashable, Sendable, Codable {
  /// As the user named it: its `relativePath` is what messages show.
  package var file: URL
  package var line: Int
  package var column: Int

  package init(file: URL, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }
}

/// One problem; its description is `file:line:col: error: …`, or `warning`, the source line and a caret under the place.
package struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
  package var location: SourceLocation
  package var message: String
  /// What the user may have meant, in full words: `split.train`.
  package var suggestion: String?
  /// The source line that the location is in, for showing.
  package var sourceLine: String
  package var severity = Severity.error

  package enum Severity: String, Sendable { case error, warning }

  package init(_ message: String, at location: SourceLocation, in sourceLine: String, suggestion: String? = nil) {
    self.location = location
    self.message = message
    self.suggestion = suggestion
    self.sourceLine = sourceLine
  }

  package var description: String {
    let hint = didYouMean(suggestion)
    let head = "\(location.file.relativePath):\(location.line):\(location.column): \(severity): \(message)\(hint)"
    guard !sourceLine.isEmpty else { return head }
    let before = sourceLine.unicodeScalars.prefix(location.column - 1)
    let indent = String(repeating: " ", count: before.terminalColumns)
    let shown = String(sourceLine.map { $0 == "\t" ? " " : $0 })  // a tab would move the caret's place
    return "\(head)\n  \(shown)\n  \(indent)^"
  }
}

/// Every problem that was found in a file, in the order of their places.
package struct Problems: Error, Sendable, CustomStringConvertible {
  package var all: [Problem]

  package init(_ all: [Problem]) {
    self.all = all.sorted {
      ($0.location.file.path, $0.location.line, $0.location.column)
        < ($1.location.file.path, $1.location.line, $1.location.column)
    }
  }

  package var description: String { all.map(\.description).joined(separator: "\n") }
}
