/// Where a template cannot be read, or cannot be filled.

package struct TemplateError: Error, Equatable, CustomStringConvertible {
  package let line: Int
  /// In characters (Unicode scalars), from 1.
  package let column: Int
  package let message: String

  package var description: String { "line \(line), column \(column): \(message)" }
}

/// What went wrong at an offset of the source, before the offset has become a line and a column.
struct Fault: Error {
  let offset: Int
  let message: String

  init(_ offset: Int, _ message: String) { (self.offset, self.message) = (offset, message) }

  func located(in source: [Unicode.Scalar]) -> TemplateError {
    let before = source.prefix(offset)
    let start = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
    return TemplateError(
      line: 1 + before.count { $0 == "\n" }, column: min(offset, source.count) - start + 1, message: message)
  }
}

/// What went wrong in a value, before anybody knows where.
struct Unfit: Error {
  let message: String
  init(_ message: String) { self.message = message }

  func at(_ offset: Int) -> Fault { Fault(offset, message) }
}
