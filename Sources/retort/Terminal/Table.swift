/// A plain table in columns that fit their widest cell; wide characters such as Hangul count twice.
import Escaping

struct Table {
  private let header: [String]
  private let rightAligned: Set<Int>
  private var rows: [[String]] = []

  /// - Parameter numbers: the columns that hold numbers, which end at the right.
  init(_ header: [String], numbers: Set<Int> = []) {
    self.header = header.map { Escape.printable($0) }
    rightAligned = numbers
  }

  var isEmpty: Bool { rows.isEmpty }

  /// Adds a row; what is not printable in it is shown.
  mutating func add(_ row: [String]) { rows.append(row.map { Escape.printable($0) }) }

  var text: String { ([header] + rows).aligned(numbers: rightAligned) }
}
