/// Reads CSV (RFC 4180) and TSV row by row from UTF-8 bytes: quoted fields, doubled quotes, quoted line breaks, and
/// line ends of every system.
import Foundation

struct DelimitedReader {
  private let bytes: UnsafeRawBufferPointer
  private let delimiter: UInt8
  private let isQuoted: Bool
  private let file: URL
  private var offset = 0
  private var line = 1
  private static let quote = UInt8(ascii: "\"")

  /// The bytes are validated UTF-8 and outlive the reader.
  /// - Parameters:
  ///   - isQuoted: whether quotes may enclose a field; else they are text.
  ///   - start: the first byte to read, on that line.
  init(
    _ bytes: UnsafeRawBufferPointer, delimiter: UInt8, isQuoted: Bool = true, file: URL, start: Int = 0, line: Int = 1
  ) {
    self.bytes = bytes
    self.delimiter = delimiter
    self.isQuoted = isQuoted
    self.file = file
    offset = start
    self.line = line
  }

  /// The next row that is not an empty line, and the line on which it begins; `nil` at the end.
  mutating func row() throws -> (fields: [String], line: Int)? {
    while offset < bytes.count, isBreak(bytes[offset]) { stepOverBreak() }
    guard offset < bytes.count else { return nil }
    let first = line
    var fields: [String] = []
    while true {
      fields.append(try field())
      guard offset < bytes.count, bytes[offset] == delimiter else { break }
      offset += 1
    }
    if offset < bytes.count { stepOverBreak() }
    return (fields, first)
  }

  private func isBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  private mutating func stepOverBreak() {
    let isPair = bytes[offset] == 0x0D && offset + 1 < bytes.count && bytes[offset + 1] == 0x0A
    offset += isPair ? 2 : 1
    line += 1
  }

  private mutating func field() throws -> String {
    guard isQuoted, offset < bytes.count, bytes[offset] == Self.quote else {
      let start = offset
      while offset < bytes.count, bytes[offset] != delimiter, !isBreak(bytes[offset]) { offset += 1 }
      return String(decoding: bytes[start..<offset], as: UTF8.self)
    }
    let opening = line
    offset += 1
    var text = ""
    var run = offset
    while offset < bytes.count {
      if bytes[offset] == Self.quote {
        text += String(decoding: bytes[run..<offset], as: UTF8.self)
        offset += 1
        guard offset < bytes.count, bytes[offset] == Self.quote else {
          guard offset == bytes.count || bytes[offset] == delimiter || isBreak(bytes[offset]) else {
            throw DataError(
              file, line: line, "text after the quote that ends a field; write a quote inside a quoted field twice")
          }
          return text
        }
        run = offset  // the second of two quotes is text
        offset += 1
      } else if isBreak(bytes[offset]) {
        stepOverBreak()
      } else {
        offset += 1
      }
    }
    throw DataError(file, line: opening, "the quote that opens a field on this line is never closed")
  }
}
