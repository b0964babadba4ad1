/// A plain table in columns that fit their widest cell; wide characters such as Hangul count twice.
import Escaping
import Pipelines

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

  var text: String {
    let lines = [header] + rows
    let widths = header.indices.map { column in lines.map { $0[column].columns }.max() ?? 0 }
    return lines.map { line in
      let cells = line.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - line[column].columns)
        return rightAligned.contains(column) ? space + line[column] : line[column] + space
      }
      let text = cells.joined(separator: "  ")
      return String(text[..<(text.lastIndex { $0 != " " }.map(text.index(after:)) ?? text.startIndex)])
    }.joined(separator: "\n")
  }
}

extension String {
  /// Columns it takes on a terminal.
  var columns: Int { unicodeScalars.reduce(0) { $0 + $1.terminalColumns } }
}
