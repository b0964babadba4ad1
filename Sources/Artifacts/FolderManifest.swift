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
  }
  /// Byte-sorted by path.
  package let entries: [Entry]

  private static let header = "retort folder 1\n"

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
    var text = Self.header
    for entry in entries {
      switch entry.content {
      case .emptyFolder: text += "d - 0 \(entry.path)\0"
      case .file(let digest, let bytes, let executable):
        text += "\(executable ? "x" : "f") \(digest) \(bytes) \(entry.path)\0"
      }
    }
    return Data(text.utf8)
  }

  /// `nil` if it is not one.
  package init?(encoded: Data) {
    let text = String(decoding: encoded, as: UTF8.self)
    guard text.hasPrefix(Self.header) else { return nil }
    var entries: [Entry] = []
    for line in text.dropFirst(Self.header.count).split(separator: "\0") {
      let fields = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
      guard fields.count == 4, let bytes = Int(fields[2]) else { return nil }
      switch (fields[0], Digest(hex: String(fields[1]))) {
      case ("d", nil): entries.append(Entry(path: String(fields[3]), content: .emptyFolder))
      case ("f", let digest?), ("x", let digest?):
        entries.append(
          Entry(path: String(fields[3]), content: .file(digest, bytes: bytes, executable: fields[0] == "x")))
      default: return nil
      }
    }
    self.init(entries: entries)
  }
}
