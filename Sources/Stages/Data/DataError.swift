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
