/// What a folder is, for the store: its files by path with digest and executable bit. Its digest is the folder's.
import Foundation

package struct FolderManifest: Sendable, Equatable {
  package enum Content: Sendable, Equatable {
    case emptyFolder
    case file(Digest, bytes: Int, executable: Bool)
  }
  package struct Entry: Sendable, Equatable {
    package let path: String
    package let content: Content

    package init(path: String, content: Content) {
      self.path = path
      self.content = content
    }

    /// Paths that look alike may be of two files.
    package static func == (left: Entry, right: Entry) -> Bool {
      left.path.utf8.elementsEqual(right.path.utf8) && left.content == right.content
    }
  }
  /// Byte-sorted by path.
  package let entries: [Entry]

  private static let header = Array("retort folder 1\n".utf8)

  package init(entries: [Entry]) { self.entries = entries }

  /// Sum over the files.
  package var bytes: Int {
    entries.reduce(0) { sum, entry in
      if case .file(_, let bytes, _) = entry.content { sum + bytes } else { sum }
    }
  }

  package var digest: Digest { Digest(of: encoded) }

  /// The header, then for each entry `kind digest bytes path`, ended by a zero byte. Kinds: `f`, `x` (executable), `d`.
  package var encoded: Data {
    var bytes = Self.header
    for entry in entries {
      switch entry.content {
      case .emptyFolder: bytes += "d - 0 ".utf8
      case .file(let digest, let count, let executable): bytes += "\(executable ? "x" : "f") \(digest) \(count) ".utf8
      }
      bytes += entry.path.utf8
      bytes.append(0)
    }
    return Data(bytes)
  }

  /// - Parameter limit: files and folders that it may be of.
  /// - Throws: `BadManifest` for what no folder can have given: anybody may have written it.
  package init(encoded: Data, atMost limit: Int = .max) throws {
    guard encoded.starts(with: Self.header) else { throw BadManifest("its first line is not `retort folder 1`") }
    guard encoded.count == Self.header.count || encoded.last == 0 else {
      throw BadManifest("its last entry is cut off")
    }
    var entries: [Entry] = []
    var paths = PathChecker()
    var total = 0
    try encoded.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      var start = Self.header.count
      while start < bytes.count, let end = bytes[start...].firstIndex(of: 0) {
        let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard let entry = Self.entry(line) else { throw BadManifest("entry \(entries.count + 1) is malformed") }
        if case .file(_, let count, _) = entry.content {
          let (sum, overflows) = total.addingReportingOverflow(count)
          guard !overflows else { throw BadManifest("its files have more bytes than there are numbers") }
          total = sum
        }
        try paths.check(entry.path)
        guard paths.count <= limit else { throw BadManifest("it is of more than \(limit) files and folders") }
        entries.append(entry)
        start = end + 1
      }
    }
    try paths.finish()
    self.entries = entries
  }

  /// `nil` unless it is `kind digest bytes path`, spelled as `encoded` spells it.
  private static func entry(_ line: UnsafeRawBufferPointer) -> Entry? {
    let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4, fields[0].count == 1, let path = String(validating: fields[3], as: UTF8.self) else {
      return nil
    }
    let (digest, count) = (String(decoding: fields[1], as: UTF8.self), String(decoding: fields[2], as: UTF8.self))
    guard let bytes = Int(count), bytes >= 0, fields[2].elementsEqual("\(bytes)".utf8) else { return nil }
    switch fields[0][fields[0].startIndex] {
    case UInt8(ascii: "d"):
      return digest == "-" && bytes == 0 ? Entry(path: path, content: .emptyFolder) : nil
    case let kind where kind == UInt8(ascii: "f") || kind == UInt8(ascii: "x"):
      guard let digest = Digest(hex: digest), fields[1].elementsEqual("\(digest)".utf8) else { return nil }
      return Entry(path: path, content: .file(digest, bytes: bytes, executable: kind == UInt8(ascii: "x")))
    default: return nil
    }
  }
}

/// Why bytes are not the manifest of a folder.
package struct BadManifest: Error, CustomStringConvertible, Equatable {
  package let description: String
  init(_ description: String) { self.description = description }
}

/// Checks paths, one after the other, for being what a scan of one folder gives: relative, sorted, and no file a folder.
private struct PathChecker {
  private static let longestPath = 4096
  private static let longestName = 255
  private static let foreign = [".", "..", ".git", ".retort"].map { Array($0.utf8) }
  private var paths: [[UInt8]] = []
  /// Folders of which an entry tells, each once.
  private var folders: [[UInt8]] = []

  mutating func check(_ text: String) throws {
    let path = Array(text.utf8)
    func bad(_ reason: String) -> BadManifest { BadManifest("the path `\(text)` \(reason)") }
    guard path.count <= Self.longestPath else { throw bad("has more than \(Self.longestPath) bytes") }
    let slash = UInt8(ascii: "/")
    for name in path.split(separator: slash, omittingEmptySubsequences: false) {
      guard !name.isEmpty else { throw bad("is absolute or has an empty name in it") }
      guard name.count <= Self.longestName else { throw bad("has a name of more than \(Self.longestName) bytes") }
      if Self.foreign.contains(where: name.elementsEqual) {
        throw bad("has `\(String(decoding: name, as: UTF8.self))` in it, which no folder of the store may have")
      }
    }
    var common = 0
    if let last = paths.last {
      guard last.lexicographicallyPrecedes(path) else { throw bad("is there twice or is not sorted") }
      common = zip(last, path).prefix { $0 == $1 }.count
    }
    for end in path.indices[common...] where path[end] == slash { folders.append(Array(path[..<end])) }
    paths.append(path)
  }

  /// How many files and folders it takes.
  var count: Int { paths.count + folders.count }

  /// Once all paths are known.
  func finish() throws {
    for folder in folders where contains(folder) {
      throw BadManifest("the path `\(String(decoding: folder, as: UTF8.self))` is a file and a folder")
    }
  }

  private func contains(_ path: [UInt8]) -> Bool {
    var range = 0..<paths.count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      if paths[middle].elementsEqual(path) { return true }
      if paths[middle].lexicographicallyPrecedes(path) {
        range = middle + 1..<range.upperBound
      } else {
        range = range.lowerBound..<middle
      }
    }
    return false
  }
}
