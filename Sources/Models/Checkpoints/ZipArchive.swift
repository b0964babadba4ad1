/// Where the files of a zip archive lie in it. It is untrusted: nothing that it says of itself is believed before it is
/// checked against its bytes.
import Foundation

struct ZipArchive {
  struct Entry {
    let name: String
    /// Where its bytes lie in the archive.
    let bytes: Range<Int>
    /// Why they are not its contents: `compressed`, `encrypted`; absent: they are.
    let change: String?
  }

  /// In the order of the archive's directory; no two have the same name.
  let entries: [Entry]

  // Lengths of records without what varies, and how far from the end the last one may begin.
  private static let (endLength, locatorLength, wideEndLength, listedLength, localLength) = (22, 20, 56, 46, 30)
  private static let longestComment = 0xFFFF
  /// A checkpoint has an entry for each tensor.
  private static let mostEntries = 1 << 20

  /// Throws a `CheckpointError` that names `file` and what is wrong with the archive.
  init(_ bytes: UnsafeRawBufferPointer, file: URL) throws {
    let reader = Reader(bytes: bytes, file: file)
    let directory = try Self.directory(reader)
    var entries: [Entry] = []
    var names: Set<[UInt8]> = []
    var place = directory.bytes.lowerBound
    for _ in 0..<directory.count {
      guard place <= directory.bytes.upperBound - Self.listedLength else {
        throw reader.damaged("\(directory.count) entries", "as many as the archive's directory has room for")
      }
      let (entry, length) = try Self.entry(reader, at: place, before: directory.bytes)
      guard names.insert(Array(entry.name.utf8)).inserted else {
        throw reader.damaged("two entries \"\(entry.name)\"", "one")
      }
      entries.append(entry)
      place += length
    }
    self.entries = entries
  }

  /// The list of entries, which the record at the archive's end points to.
  private static func directory(_ reader: Reader) throws -> (bytes: Range<Int>, count: Int) {
    let last = reader.bytes.count - endLength
    var end = last
    while end >= max(0, last - longestComment),
      try !reader.is(0x0605_4B50, at: end) || reader.u16(end + 20) != last - end
    {
      end -= 1
    }
    guard end >= max(0, last - longestComment) else {
      throw reader.damaged("no directory at its end", "a zip archive", "If the file is truncated, fetch it again.")
    }
    var (count, size, start) = try (reader.u16(end + 10), reader.u32(end + 12), reader.u32(end + 16))
    var limit = end
    // Archives beyond 4 GiB or 65,535 entries have a wider record before.
    if end >= locatorLength, try reader.is(0x0706_4B50, at: end - locatorLength) {
      let wide = try reader.u64(end - locatorLength + 8)
      guard wide <= end - locatorLength - wideEndLength, try reader.is(0x0606_4B50, at: wide) else {
        throw reader.damaged("a wrong place of the end record", "zip64's record")
      }
      (count, size, start) = try (reader.u64(wide + 32), reader.u64(wide + 40), reader.u64(wide + 48))
      limit = wide
    }
    guard start <= limit, size <= limit - start, count <= min(size / listedLength, mostEntries) else {
      throw reader.damaged("a directory of \(count) entries in \(size) bytes", "one that lies in the archive")
    }
    return (start..<start + size, count)
  }

  /// What the directory says of an entry at `place`, and the bytes that this takes there.
  private static func entry(_ reader: Reader, at place: Int, before directory: Range<Int>) throws -> (Entry, Int) {
    guard try reader.is(0x0201_4B50, at: place) else {
      throw reader.damaged("no entry at byte \(place)", "one of the archive's directory")
    }
    let (nameLength, extraLength) = try (reader.u16(place + 28), reader.u16(place + 30))
    let length = try listedLength + nameLength + extraLength + reader.u16(place + 32)
    guard length <= directory.upperBound - place else {
      throw reader.damaged("an entry of \(length) bytes at \(place)", "one that lies in the directory")
    }
    let name = try reader.name(place + listedLength, nameLength)
    var (packed, size, start) = try (reader.u32(place + 20), reader.u32(place + 24), reader.u32(place + 42))
    try reader.widen(
      &size, &packed, &start, from: place + listedLength + nameLength, length: extraLength, entry: name)
    let (flags, method) = try (reader.u16(place + 8), reader.u16(place + 10))
    guard start <= directory.lowerBound - localLength, try reader.is(0x0403_4B50, at: start) else {
      throw reader.damaged("\"\(name)\" at byte \(start)", "an entry that lies before the directory")
    }
    let data = try start + localLength + reader.u16(start + 26) + reader.u16(start + 28)
    guard data <= directory.lowerBound, packed <= directory.lowerBound - data else {
      throw reader.damaged("\"\(name)\" of \(packed) bytes", "an entry that lies before the directory")
    }
    let change = flags & 1 == 1 ? "encrypted" : method != 0 || packed != size ? "compressed" : nil
    return (Entry(name: name, bytes: data..<data + packed, change: change), length)
  }

  /// Little-endian numbers, each within the archive.
  private struct Reader {
    let bytes: UnsafeRawBufferPointer
    let file: URL

    func u16(_ place: Int) throws -> Int { Int(try number(UInt16.self, place)) }
    func u32(_ place: Int) throws -> Int { Int(try number(UInt32.self, place)) }
    func u64(_ place: Int) throws -> Int { Int(clamping: try number(UInt64.self, place)) }

    func `is`(_ signature: UInt32, at place: Int) throws -> Bool { try number(UInt32.self, place) == signature }

    private func number<N: FixedWidthInteger & BitwiseCopyable>(_ type: N.Type, _ place: Int) throws -> N {
      guard place >= 0, place <= bytes.count - MemoryLayout<N>.size else {
        throw damaged("the end of the file", "\(MemoryLayout<N>.size) bytes at \(place)")
      }
      return N(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: type))
    }

    func name(_ place: Int, _ length: Int) throws -> String {
      guard let name = String(validating: bytes[place..<place + length], as: UTF8.self) else {
        throw damaged("a name at byte \(place)", "UTF-8")
      }
      return name
    }

    /// Reads those of the numbers that do not fit 32 bits from the field that zip64 adds.
    func widen(
      _ size: inout Int, _ packed: inout Int, _ start: inout Int, from place: Int, length: Int, entry: String
    ) throws {
      var field = place
      while field + 4 <= place + length {
        let (id, fieldLength) = try (u16(field), u16(field + 2))
        var (at, end) = (field + 4, min(field + 4 + fieldLength, place + length))
        field = end
        guard id == 1 else { continue }
        func read(_ value: inout Int) throws {
          guard value == 0xFFFF_FFFF, at + 8 <= end else { return }
          value = try u64(at)
          at += 8
        }
        try read(&size)
        try read(&packed)
        try read(&start)
        end = at
      }
    }

    func damaged(_ found: String, _ expected: String, _ remedy: String? = nil) -> CheckpointError {
      CheckpointError(file, "zip archive", found: found, expected: expected, remedy: remedy)
    }
  }
}
