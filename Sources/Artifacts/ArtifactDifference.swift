/// Where two files or folders first differ, in words that people know: the file, the line, the tensor and its element.
import Foundation

package struct ArtifactDifference: Codable, Sendable, Equatable {
  package enum Kind: String, Codable, Sendable {
    case onlyInFirst, onlyInSecond
    /// A file is a folder, or only one of them is executable.
    case type
    case bytes
  }
  package var kind: Kind
  /// Inside the folder; absent for a file.
  package var path: String?
  /// Of the first byte that differs; where one file is the beginning of the other, the shorter one's length.
  package var offset: Int?
  /// Counted from 1; of text.
  package var line: Int?
  /// Of a safetensors file, with the element that differs, counted from 0.
  package var tensor: String?
  package var element: Int?

  package init(
    kind: Kind, path: String? = nil, offset: Int? = nil, line: Int? = nil, tensor: String? = nil, element: Int? = nil
  ) {
    self.kind = kind
    self.path = path
    self.offset = offset
    self.line = line
    self.tensor = tensor
    self.element = element
  }

  /// `nil` if they are the same. Of folders, the byte-sorted first path counts.
  package static func first(_ one: URL, _ two: URL) throws -> ArtifactDifference? {
    guard let (first, second) = pair(FileStatus.of(one), FileStatus.of(two)) else {
      throw FileError("read", FileStatus.of(one) == nil ? one : two, code: ENOENT)
    }
    guard first.isFolder == second.isFolder else { return ArtifactDifference(kind: .type) }
    guard first.isFolder else { return try inFiles(one, two) }
    let (left, right) = (try FolderScan.entries(of: one), try FolderScan.entries(of: two))
    // Texts that look alike are one text to Swift.
    let others = Dictionary(uniqueKeysWithValues: right.map { (Array($0.path.utf8), $0) })
    let known = Set(left.map { Array($0.path.utf8) })
    let all = (left + right.filter { !known.contains(Array($0.path.utf8)) })
      .sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    for entry in all {
      guard known.contains(Array(entry.path.utf8)) else {
        return ArtifactDifference(kind: .onlyInSecond, path: entry.path)
      }
      guard let other = others[Array(entry.path.utf8)] else {
        return ArtifactDifference(kind: .onlyInFirst, path: entry.path)
      }
      guard entry.isFile == other.isFile, entry.isExecutable == other.isExecutable else {
        return ArtifactDifference(kind: .type, path: entry.path)
      }
      guard entry.isFile, var difference = try inFiles(entry.url, other.url) else { continue }
      difference.path = entry.path
      return difference
    }
    return nil
  }

  private static func pair<Value>(_ one: Value?, _ two: Value?) -> (Value, Value)? {
    if let one, let two { (one, two) } else { nil }
  }

  private static func inFiles(_ one: URL, _ two: URL) throws -> ArtifactDifference? {
    let (first, second) = (
      try Data(contentsOf: one, options: .alwaysMapped), try Data(contentsOf: two, options: .alwaysMapped)
    )
    guard let offset = firstDifference(first, second) else { return nil }
    var difference = ArtifactDifference(kind: .bytes, offset: offset)
    if let place = SafeTensorsPlace(first, second, offset: offset) {
      (difference.tensor, difference.element) = (place.tensor, place.element)
    } else if !first.prefix(offset + 1).suffix(4096).contains(0) && !first.prefix(4096).contains(0) {
      difference.line = first.prefix(offset).reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }
    return difference
  }
}

/// Which element of which tensor lies at a byte of two safetensors files with one header.
/// The format: the header's length in 8 bytes, little-endian; the header, JSON; the tensors' bytes.
private struct SafeTensorsPlace {
  let tensor: String
  let element: Int

  private struct Entry: Decodable {
    var dtype: String
    var data_offsets: [Int]
  }

  init?(_ one: Data, _ two: Data, offset: Int) {
    guard one.count > 8 else { return nil }
    let length = one.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length < UInt64(one.count - 8), offset >= 8 + Int(length) else { return nil }
    // `__metadata__` is no tensor, and its values are texts.
    guard
      let header = try? JSONDecoder().decode(  // what is no such header belongs to another format
        [String: Tensor].self, from: one[8..<8 + Int(length)])
    else { return nil }
    let place = offset - 8 - Int(length)
    for case (let name, .entry(let entry)) in header {
      guard entry.data_offsets.count == 2, entry.data_offsets[0] <= place, place < entry.data_offsets[1] else {
        continue
      }
      guard let width = Self.widths[entry.dtype] else { return nil }
      tensor = name
      element = (place - entry.data_offsets[0]) / width
      return
    }
    return nil
  }

  private enum Tensor: Decodable {
    case entry(Entry)
    case metadata([String: String])
    init(from decoder: any Decoder) throws {
      do { self = .entry(try Entry(from: decoder)) } catch { self = .metadata(try [String: String](from: decoder)) }
    }
  }

  /// Bytes of an element.
  private static let widths = [
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
  ]
}

extension ArtifactDifference: CustomStringConvertible {
  package var description: String {
    let file = path.map { "\($0) " } ?? ""
    switch kind {
    case .onlyInFirst: return "\(path ?? "") is only in the first"
    case .onlyInSecond: return "\(path ?? "") is only in the second"
    case .type: return file + "is a file in one and a folder in the other, or a program in one only"
    case .bytes:
      let byte = "byte \(offset ?? 0)"
      if let tensor, let element { return file + "differs at tensor \(tensor), element \(element) (\(byte))" }
      return file + "differs at " + (line.map { "line \($0) (\(byte))" } ?? byte)
    }
  }
}
