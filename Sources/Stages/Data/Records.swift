/// Records of JSON, JSON lines, CSV and TSV files, one after another.
import Foundation
import Pipelines

package enum RecordFormat: String, ParameterChoice {
  /// By the file's extension, else by its first characters.
  case auto
  case json, jsonl, csv, tsv
}

/// One record: an object, of strings alone if it is a row of a table.
package struct Record {
  package let value: JSONValue
  package let place: RecordPlace
  /// Whether the record's keys stand in a header on line 1.
  package let isTabular: Bool
}

/// Calls `body` with each record. A record is not kept, so memory does not grow with the file, except for the pages of
/// the mapped file itself.
/// - Parameter list: the key of the list, where a JSON document is an object with several.
package func forEachRecord(
  of file: TextFile, format: RecordFormat = .auto, list: String? = nil, _ body: (Record) throws -> Void
) throws {
  try file.utf8.withUnsafeBytes { bytes in
    let cursor = RecordCursor(file: file.url, bytes: bytes)
    switch format == .auto ? detectFormat(file.url, bytes) : format {
    case .csv: try cursor.table(delimiter: UInt8(ascii: ","), body)
    case .tsv: try cursor.table(delimiter: UInt8(ascii: "\t"), body)
    case .jsonl: try cursor.lines(body)
    case .json, .auto: try cursor.document(list: list, body)
    }
  }
}

/// Records all at once, where they are few or all needed.
package func records(of file: TextFile, format: RecordFormat = .auto, list: String? = nil) throws -> [Record] {
  var records: [Record] = []
  try forEachRecord(of: file, format: format, list: list) { records.append($0) }
  return records
}

/// The whole document, if the file is JSON and no plain list of records; else `nil`.
func jsonTree(of file: TextFile, format: RecordFormat) throws -> JSONValue? {
  try file.utf8.withUnsafeBytes { bytes -> JSONValue? in
    var reader = JSONReader(bytes)
    let detected = format == .auto ? detectFormat(file.url, bytes) : format
    guard detected == .json, !reader.skip(UInt8(ascii: "[")) else { return nil }
    do throws(JSONSyntaxError) { return try reader.onlyValue() } catch { throw RecordCursor(file: file.url, bytes: bytes).syntaxError(error) }
  }
}

private func detectFormat(_ url: URL, _ bytes: UnsafeRawBufferPointer) -> RecordFormat {
  switch url.pathExtension.lowercased() {
  case "json": return .json
  case "jsonl", "ndjson": return .jsonl
  case "csv": return .csv
  case "tsv": return .tsv
  default: break
  }
  var reader = JSONReader(bytes)
  if reader.skip(UInt8(ascii: "[")) { return .json }
  let lineEnd = bytes.firstIndex(of: 0x0A) ?? bytes.count
  if reader.skip(UInt8(ascii: "{")) {
    var line = JSONReader(bytes, in: 0..<lineEnd)
    do throws(JSONSyntaxError) {
      guard case .object(let fields) = try line.onlyValue() else { return .jsonl }
      let isDocument = fields.contains { field in
        if case .array(let elements) = field.value { elements.first?.kind == "an object" } else { false }
      }
      reader = JSONReader(bytes, in: lineEnd..<bytes.count)
      return isDocument && reader.isAtEnd() ? .json : .jsonl
    } catch {
      return .json  // an object over several lines
    }
  }
  return bytes[..<lineEnd].contains(UInt8(ascii: "\t")) ? .tsv : .csv
}

private struct RecordCursor {
  let file: URL
  let bytes: UnsafeRawBufferPointer

  func table(delimiter: UInt8, _ body: (Record) throws -> Void) throws {
    var reader = DelimitedReader(bytes, delimiter: delimiter, file: file)
    guard let header = try reader.row() else { throw DataError(file, line: 1, "the file is empty, expected a header") }
    if let twice = header.fields.first(where: { name in header.fields.count { $0 == name } > 1 }) {
      throw DataError(file, line: header.line, "the column `\(twice)` occurs twice in the header")
    }
    var number = 0
    while let row = try reader.row() {
      number += 1
      let place = RecordPlace(file: file, line: row.line, number: number)
      guard row.fields.count == header.fields.count else {
        throw place.error("\(row.fields.count) fields, expected \(header.fields.count) as in the header")
      }
      let fields = zip(header.fields, row.fields).map { JSONField($0, .string($1)) }
      try body(Record(value: .object(fields), place: place, isTabular: true))
    }
  }

  func lines(_ body: (Record) throws -> Void) throws {
    var start = 0
    var line = 0
    var number = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      line += 1
      var reader = JSONReader(bytes, in: start..<end)
      if !reader.isAtEnd() {
        number += 1
        let place = RecordPlace(file: file, line: line, number: number)
        try body(try record(place) { () throws(JSONSyntaxError) in try reader.onlyValue() })
      }
      start = end + 1
    }
  }

  func document(list: String?, _ body: (Record) throws -> Void) throws {
    var reader = JSONReader(bytes)
    if !reader.skip(UInt8(ascii: "[")) {
      reader = try listInObject(named: list)
      _ = reader.skip(UInt8(ascii: "["))
    }
    if reader.skip(UInt8(ascii: "]")) { return }
    var number = 0
    var line = 1
    var counted = 0
    repeat {
      _ = reader.isAtEnd()  // steps to the element, for its line
      line += bytes[counted..<reader.offset].count { $0 == 0x0A }
      counted = reader.offset
      number += 1
      let place = RecordPlace(file: file, line: line, number: number)
      try body(try record(place) { () throws(JSONSyntaxError) in try reader.value() })
    } while reader.skip(UInt8(ascii: ","))
    guard reader.skip(UInt8(ascii: "]")) else {
      throw syntaxError(reader.fail("expected `,` or `]` after an element"))
    }
  }

  /// A reader before the `[` of the list of records in an object.
  private func listInObject(named name: String?) throws -> JSONReader {
    var found: [(key: String, reader: JSONReader)] = []
    var reader = JSONReader(bytes)
    do throws(JSONSyntaxError) {
      guard reader.skip(UInt8(ascii: "{")) else { throw reader.fail("expected a list or an object") }
      while !reader.skip(UInt8(ascii: "}")) {
        let key = try reader.key()
        let start = reader
        let value = try reader.value()
        if case .array(let elements) = value, name.map({ $0 == key }) ?? (elements.first?.kind == "an object") {
          found.append((key, start))
        }
        _ = reader.skip(UInt8(ascii: ","))
      }
      guard reader.isAtEnd() else { throw reader.fail("text after the end of the JSON value") }
    } catch {
      throw syntaxError(error)
    }
    guard found.count == 1 else {
      let keys = found.map { "`\($0.key)`" }.joined(separator: ", ")
      let problem = found.isEmpty ? "no list of records" : "several lists (\(keys)); name one: `columns: {records: …}`"
      throw DataError(file, line: 1, "the object has \(problem)")
    }
    return found[0].reader
  }

  private func record(
    _ place: RecordPlace, read: () throws(JSONSyntaxError) -> JSONValue
  ) throws -> Record {
    let value: JSONValue
    do { value = try read() } catch { throw syntaxError(error) }
    guard case .object = value else { throw place.error("expected an object, found \(value.kind)") }
    return Record(value: value, place: place, isTabular: false)
  }

  func syntaxError(_ error: JSONSyntaxError) -> DataError {
    let before = bytes[..<error.offset]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    let column = bytes[lineStart..<error.offset].count { $0 & 0xC0 != 0x80 } + 1
    return DataError(file, line: before.count { $0 == 0x0A } + 1, column: column, error.message)
  }
}
