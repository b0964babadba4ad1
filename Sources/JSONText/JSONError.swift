/// What is wrong with JSON, and where.

package struct JSONError: Error, Equatable, CustomStringConvertible {
  /// Bytes from the start of the text.
  package let offset: Int
  package let found: String
  package let expected: String

  package var description: String { "found \(found), expected \(expected)" }

  /// Where that is in `bytes`, the text that was read. Both from 1, columns in Unicode scalars.
  package func place(in bytes: UnsafeRawBufferPointer) -> (line: Int, column: Int) {
    let before = bytes[..<offset]
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let column = bytes[lineStart..<offset].count { $0 & 0xC0 != 0x80 } + 1
    return (before.count { $0 == UInt8(ascii: "\n") } + 1, column)
  }
}
