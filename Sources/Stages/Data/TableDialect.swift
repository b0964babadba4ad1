/// How a table tells its fields apart: found by looking at it, and said where it is unusual.
import Foundation
import Pipelines

package enum Quoting: String, ParameterChoice {
  /// `standard`; but `none` for a table of tabs in which every line so has as many fields as the header, and quotes
  /// would join lines to fewer records or end within a field.
  case auto
  /// A quote at the beginning of a field ends at the next single one; two within are one (RFC 4180).
  case standard
  /// Quotes are text like any other, and every line is a record.
  case none
}

struct TableDialect {
  private(set) var delimiter: UInt8
  private(set) var isQuoted = true
  /// Where the header begins, and on which line.
  private(set) var start = 0
  private(set) var line = 1
  /// What was found that one would not expect.
  private(set) var remarks: [String] = []

  private static let tab = UInt8(ascii: "\t")

  init(_ bytes: UnsafeRawBufferPointer, format: RecordFormat, quoting: Quoting, file: URL) {
    let expected = format == .tsv ? Self.tab : UInt8(ascii: ",")
    delimiter = expected
    if let named = Self.namedDelimiter(bytes) {
      // Excel's own line.
      delimiter = named
      start = bytes.firstIndex(of: 0x0A).map { $0 + 1 } ?? bytes.count
      line = 2
    } else {
      delimiter = Self.delimiter(bytes, expected: expected, file: file)
    }
    if delimiter != expected {
      let sign = delimiter == Self.tab ? "tabs" : "`\(Unicode.Scalar(delimiter))`"
      remarks.append("its fields are separated by \(sign)")
    }
    switch quoting {
    case .standard: break
    case .none: isQuoted = false
    case .auto:
      guard delimiter == Self.tab, quotesAreText(bytes, file) else { return }
      isQuoted = false
      remarks.append("its quotes are read as text (`quoting: standard` reads them as CSV's)")
    }
  }

  /// Of a first line `sep=;`.
  private static func namedDelimiter(_ bytes: UnsafeRawBufferPointer) -> UInt8? {
    guard bytes.count >= 5, bytes.prefix(4).elementsEqual("sep=".utf8), bytes[4] != 0x0A, bytes[4] != 0x0D,
      bytes.count == 5 || bytes[5] == 0x0A || bytes[5] == 0x0D
    else { return nil }
    return bytes[4]
  }

  /// The one that is expected if the header has it or no other; of several the one by which the first records have as
  /// many fields as the header.
  private static func delimiter(_ bytes: UnsafeRawBufferPointer, expected: UInt8, file: URL) -> UInt8 {
    let header = bytes.prefix { $0 != 0x0A && $0 != 0x0D }
    let others = [UInt8(ascii: ","), UInt8(ascii: ";"), tab].filter { $0 != expected }
    let present = ([expected] + others).filter(header.contains)
    guard present.count > 1 else { return present.first ?? expected }
    return present.first { delimiter in
      var reader = DelimitedReader(bytes, delimiter: delimiter, file: file)
      return reader.shape(rows: 100).isRegular
    } ?? expected
  }

  private func quotesAreText(_ bytes: UnsafeRawBufferPointer, _ file: URL) -> Bool {
    guard bytes.contains(UInt8(ascii: "\"")) else { return false }
    var quoted = DelimitedReader(bytes, delimiter: delimiter, file: file, start: start, line: line)
    var plain = DelimitedReader(bytes, delimiter: delimiter, isQuoted: false, file: file, start: start, line: line)
    let lines = plain.shape()
    // A single column is regular anyhow.
    guard lines.isRegular, lines.columns > 1 else { return false }
    let records = quoted.shape()
    return !records.isRegular || records.rows < lines.rows
  }
}

extension DelimitedReader {
  /// Columns of the header, rows after it, and whether all rows can be read and have as many fields.
  fileprivate mutating func shape(rows limit: Int = .max) -> (columns: Int, rows: Int, isRegular: Bool) {
    var columns = 0
    var rows = 0
    do {
      columns = try row()?.fields.count ?? 0
      while rows < limit, let row = try row() {
        guard row.fields.count == columns else { return (columns, rows, false) }
        rows += 1
      }
      return (columns, rows, true)
    } catch {
      return (columns, rows, false)  // what is wrong is said when it is read
    }
  }
}
