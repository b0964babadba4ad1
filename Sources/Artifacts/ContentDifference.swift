/// Where two files, or two folders, first differ.
import Foundation

/// A file that is not the same on both sides.
package struct ContentDifference: Codable, Sendable, Hashable {
  /// Inside the folder; empty for a file by itself.
  package var path: String
  /// From 1; of text alone.
  package var line: Int?
  /// From 0.
  package var byte: Int?
  /// The line, or the byte in hexadecimal, or `absent`, `the end`.
  package var left: String
  package var right: String

  /// Every file that differs, in the byte order of paths. Throws if one cannot be read.
  package static func differences(_ left: URL, _ right: URL) throws -> [ContentDifference] {
    let sides = try (files(left), files(right))
    return try Set(sides.0.keys).union(sides.1.keys).sorted { $0.lexicographicallyPrecedes($1) }
      .compactMap { bytes in
        let path = String(decoding: bytes, as: UTF8.self)
        guard let left = sides.0[bytes], let right = sides.1[bytes] else {
          let isLeft = sides.0[bytes] != nil
          return ContentDifference(
            path: path, left: isLeft ? "a file" : "absent", right: isLeft ? "absent" : "a file")
        }
        return try ContentDifference(path, left, right)
      }
  }

  /// By the bytes of their paths: texts that look alike are one text to Swift.
  private static func files(_ url: URL) throws -> [[UInt8]: URL] {
    guard let status = FileStatus.of(url) else { throw FileError("read", url, code: ENOENT) }
    guard status.isFolder else { return [[]: url] }
    let paths = try FileManager.default.subpathsOfDirectory(atPath: url.posixPath)
    return Dictionary(
      uniqueKeysWithValues: paths.map { (Array($0.utf8), url.appending(path: $0)) }
        .filter { FileStatus.of($0.1).map { !$0.isFolder } ?? false })
  }

  private init(path: String, left: String, right: String) {
    self.path = path
    self.left = left
    self.right = right
  }

  /// `nil` if both have the same bytes.
  private init?(_ path: String, _ left: URL, _ right: URL) throws {
    let left = try Data(contentsOf: left, options: .alwaysMapped)
    let right = try Data(contentsOf: right, options: .alwaysMapped)
    guard let offset = firstDifference(left, right) else { return nil }
    self.path = path
    byte = offset
    // What lies before is the same in both, so it tells whether this is text.
    if let leftLine = Self.line(left, at: offset), let rightLine = Self.line(right, at: offset) {
      line = 1 + left.prefix(offset).count { $0 == UInt8(ascii: "\n") }
      (self.left, self.right) = (leftLine, rightLine)
    } else {
      func text(_ data: Data) -> String {
        offset < data.count ? "0x" + String(data[offset], radix: 16) : "the end"
      }
      (self.left, self.right) = (text(left), text(right))
    }
  }

  /// Bytes on each side of a difference that are looked at, however long the line is.
  private static let window = 1000

  /// The line with the byte at `offset`, shortened around it; `nil` if it is not text.
  private static func line(_ data: Data, at offset: Int) -> String? {
    guard offset < data.count else { return "the end" }
    let newline = UInt8(ascii: "\n")
    var start = max(0, offset - window)
    var end = min(data.count, offset + window)
    // Not in the middle of a character.
    while start > 0, start < offset, data[start] & 0xC0 == 0x80 { start += 1 }
    while end < data.count, end > offset, data[end] & 0xC0 == 0x80 { end -= 1 }
    start = data[start..<offset].lastIndex(of: newline).map { $0 + 1 } ?? start
    end = data[offset..<end].firstIndex(of: newline) ?? end
    guard let line = String(bytes: data[start..<end], encoding: .utf8), !line.unicodeScalars.contains("\0") else {
      return nil
    }
    let before = String(decoding: data[start..<offset], as: UTF8.self).count
    let head = before > 60 ? "…" + line.dropFirst(before - 40) : line
    return head.count > 120 ? head.prefix(120) + "…" : head
  }
}

/// The first place at which the bytes differ, which may be the shorter one's end.
func firstDifference(_ left: Data, _ right: Data) -> Int? {
  let shared = min(left.count, right.count)
  let place = left.withUnsafeBytes { left in
    right.withUnsafeBytes { right -> Int? in
      guard let a = left.baseAddress, let b = right.baseAddress else { return nil }
      let block = 1 << 16
      for start in stride(from: 0, to: shared, by: block) {
        let end = min(shared, start + block)
        if memcmp(a + start, b + start, end - start) != 0 { return (start..<end).first { left[$0] != right[$0] } }
      }
      return nil
    }
  }
  return place ?? (left.count == right.count ? nil : shared)
}
