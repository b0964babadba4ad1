/// What is wrong with a data file, and where: `file:line:column: error: …`.
import Foundation

package struct DataError: Error, Hashable, CustomStringConvertible {
  package let file: String
  /// From 1.
  package let line: Int?
  /// From 1, in characters (Unicode scalars).
  package let column: Int?
  /// What was found, what was expected, what to do.
  package let message: String

  package init(_ file: URL, line: Int? = nil, column: Int? = nil, _ message: String) {
    self.file = file.path(percentEncoded: false)
    self.line = line
    self.column = column
    self.message = message
  }

  /// As `description`, where it is told of and stops nothing.
  var remark: String {
    "\(URL(filePath: file).lastPathComponent)\(line.map { ":\($0)" } ?? ""): \(message)"
  }

  package var description: String {
    let place = [line, column].compactMap { $0.map { ":\($0)" } }.joined()
    return "\(file)\(place): error: \(message)"
  }
}

/// Where a record stands, for messages about it.
package struct RecordPlace: Sendable, Hashable {
  package let file: URL
  /// The line on which the record begins, from 1.
  package let line: Int
  /// The record's number in its file, from 1, a header not counted.
  package let number: Int

  package func error(_ message: String) -> DataError { DataError(file, line: line, "record \(number): \(message)") }
}

/// The one of `words` nearest to `word` as “; did you mean …?”, empty if none is near (edit distance over a third).
func suggestion(for word: String, among words: [String]) -> String {
  let near = words.map { ($0, editDistance(word.lowercased(), $0.lowercased())) }.min { $0.1 < $1.1 }
  guard let (best, distance) = near, distance <= max(1, word.count / 3), distance < word.count else { return "" }
  return "; did you mean `\(best)`?"
}

/// Levenshtein's distance in characters.
private func editDistance(_ left: String, _ right: String) -> Int {
  let right = Array(right)
  var row = Array(0...right.count)
  for (i, a) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, b) in right.enumerated() {
      (diagonal, row[j + 1]) = (row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (a == b ? 0 : 1)))
    }
  }
  return row[right.count]
}
