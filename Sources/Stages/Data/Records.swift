/// Records of JSON, JSON lines, CSV and TSV files, one after another.
import Foundation
import JSONText
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
  of file: TextFile, format: RecordFormat = .auto, quoting: Quoting = .auto, list: String? = nil,
  _ body: (Record) throws -> Void
) throws {
  try reading(file) { bytes in
    let cursor = RecordCursor(file: file.url, bytes: bytes)
    let format = format == .auto ? detectFormat(file.url, bytes) : format
    switch format {
    case .csv, .tsv: try cursor.table(TableDialect(bytes, format: format, quoting: quoting, file: file.url), body)
    case .jsonl: try cursor.lines(body)
    case .json, .auto: try cursor.document(list: list, body)
    }
  }
}

/// What is unusual in a table's form; empty for other files.
func tableRemarks(of file: TextFile, format: RecordFormat = .auto, quoting: Quoting = .auto) -> [String] {
  file.utf8.withUnsafeBytes { bytes in
    let format = format == .auto ? detectFormat(file.url, bytes) : format
    guard format == .csv || format == .tsv else { return [] }
    return TableDialect(bytes, format: format, quoting: quoting, file: file.url).remarks
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
  try reading(file) { bytes in
    var reader = JSONReader(bytes)
    let detected = format == .auto ? detectFormat(file.url, bytes) : format
    return detected == .json && reader.peek() != "[" ? try reader.onlyValue() : nil
  }
}

/// Lends the file's bytes; what is wrong with JSON in them is thrown as a `DataError`.
private func reading<T>(_ file: TextFile, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
  try file.utf8.withUnsafeBytes { bytes in
    do { return try body(bytes) } catch let error as JSONError {
      let (line, column) = error.place(in: bytes)
      throw DataError(file.url, line: line, column: column, error.description)
    }
  }
}

func detectFormat(_ url: URL, _ bytes: UnsafeRawBufferPointer) -> RecordFormat {
  switch url.pathExtension.lowercased() {
  case "json": return .json
  case "jsonl", "ndjson": return .jsonl
  case "csv": return .csv
  case "tsv": return .tsv
  default: break
  }
  var reader = JSONReader(bytes)
  let lineEnd = bytes.firstIndex(of: 0x0A) ?? bytes.count
  switch reader.peek() {
  case "[": return .json
  case "{":
    var line = JSONReader(bytes, in: 0..<lineEnd)
    do throws(JSONError) {
      let isDocument = try line.onlyValue().members?.contains { $0.value.isListOfObjects } == true
      reader = JSONReader(bytes, in: lineEnd..<bytes.count)
      return isDocument && reader.peek() == nil ? .json : .jsonl
    } catch {
      return .json  // an object over several lines
    }
  default: break
  }
  return bytes[..<lineEnd].contains(UInt8(ascii: "\t")) ? .tsv : .csv
}

extension JSONValue {
  /// By its first element.
  fileprivate var isListOfObjects: Bool { elements?.first?.kind == "an object" }
}

private struct RecordCursor {
  let file: URL
  let bytes: UnsafeRawBufferPointer

  func table(_ dialect: TableDialect, _ body: (Record) throws -> Void) throws {
    var reader = DelimitedReader(
      bytes, delimiter: dialect.delimiter, isQuoted: dialect.isQuoted, file: file, start: dialect.start,
      line: dialect.line)
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
      let fields = zip(header.fields, row.fields).map { JSONMember($0, .string($1)) }
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
      if reader.peek() != nil {
        number += 1
        let place = RecordPlace(file: file, line: line, number: number)
        try body(try record(try reader.onlyValue(), at: place))
      }
      start = end + 1
    }
  }

  func document(list: String?, _ body: (Record) throws -> Void) throws {
    var reader = JSONReader(bytes)
    let isList = reader.peek() == "["
    if !isList { reader = try listInObject(named: list) }
    var number = 0
    var line = 1
    var counted = 0
    try reader.beginArray()
    while try reader.nextElement() {
      line += bytes[counted..<reader.offset].count { $0 == 0x0A }
      counted = reader.offset
      number += 1
      let place = RecordPlace(file: file, line: line, number: number)
      try body(try record(try reader.value(), at: place))
    }
    if isList { try reader.finish() }
  }

  /// A reader before the list of records in an object.
  private func listInObject(named name: String?) throws -> JSONReader {
    var found: [(key: String, reader: JSONReader)] = []
    var reader = JSONReader(bytes)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let start = reader
      let value = try reader.value()
      if name == key && value.elements != nil || name == nil && value.isListOfObjects { found.append((key, start)) }
    }
    try reader.finish()
    guard found.count == 1 else {
      let keys = found.map { "`\($0.key)`" }.joined(separator: ", ")
      let problem = found.isEmpty ? "no list of records" : "several lists (\(keys)); name one: `columns: {records: …}`"
      throw DataError(file, line: 1, "the object has \(problem)")
    }
    return found[0].reader
  }

  private func record(_ value: JSONValue, at place: RecordPlace) throws -> Record {
    guard case .object = value else { throw place.error("expected an object, found \(value.kind)") }
    return Record(value: value, place: place, isTabular: false)
  }
}
