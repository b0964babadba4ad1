/// How many columns text takes in a terminal, and what fits into them.

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

extension Sequence<Unicode.Scalar> {
  /// Columns they take in a terminal.
  package var terminalColumns: Int { reduce(0) { $0 + $1.terminalColumns } }
}

extension String {
  /// Columns it takes in a terminal.
  package var terminalColumns: Int { unicodeScalars.terminalColumns }

  /// As much of it as takes at most so many columns.
  package func clipped(toColumns columns: Int) -> String {
    var taken = 0
    return String(
      String.UnicodeScalarView(
        unicodeScalars.prefix { scalar in
          taken += scalar.terminalColumns
          return taken <= columns
        }))
  }
}

extension [[String]] {
  /// The rows as lines whose columns fit their widest cell; no line ends in blanks.
  /// - Parameters:
  ///   - numbers: the columns that hold numbers, which end at the right.
  ///   - indent: blanks before each line.
  package func aligned(numbers: Set<Int> = [], indent: Int = 0) -> String {
    let widths = (0..<(map(\.count).max() ?? 0)).map { column in
      self.map { column < $0.count ? $0[column].terminalColumns : 0 }.max() ?? 0
    }
    return map { row in
      let cells = row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].terminalColumns)
        return numbers.contains(column) ? space + row[column] : row[column] + space
      }
      let line = String(repeating: " ", count: indent) + cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
