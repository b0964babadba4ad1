/// A saved state as a file: written as a whole or not at all, and read only if every byte is what was written.
///
///     retort state 1⏎ · length of the header (8 bytes, little-endian) · header, JSON · outline · tensors · SHA-256 of all
import Artifacts
import Foundation
import Pipelines

struct CheckpointFile {
  /// The stage's, or a stage's without the parameter that extends.
  var key: StageKey
  /// Bytes of the stage's event file that belong to the state.
  var events: Int
  var state: SavedState

  private struct Header: Codable {
    var key: StageKey
    var events: Int
    var step: Int
    /// Bytes of the outline and of each tensor.
    var lengths: [Int]
  }
  private static let magic = Data("retort state 1\n".utf8)

  init(key: StageKey, events: Int, state: SavedState) {
    self.key = key
    self.events = events
    self.state = state
  }

  /// Maps the file; the state's bytes stay valid, also after the file is removed.
  /// - Throws: `UnusableCheckpoint` if it is torn or of another key.
  init(_ url: URL, of key: StageKey) throws {
    func unusable(_ reason: String) -> UnusableCheckpoint { UnusableCheckpoint(url: url, reason: reason) }
    guard let status = FileStatus.of(url, followLinks: false), status.isFile else { throw unusable("it is gone") }
    let data = try Data(contentsOf: url, options: .alwaysMapped)
    guard data.count > Self.magic.count + 40, data.starts(with: Self.magic) else { throw unusable("it is no state") }
    let body = data.dropLast(32)
    guard Digest(of: body).bytes == Array(data.suffix(32)) else { throw unusable("its bytes are not what was written") }
    var start = Self.magic.count
    func next(_ count: Int) throws -> Data {
      guard count >= 0, count <= body.endIndex - start else { throw unusable("it is shorter than it says") }
      defer { start += count }
      return body[start..<start + count]
    }
    let length = try next(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let header = try JSONDecoder().decode(Header.self, from: next(Int(clamping: length)))
    guard header.key == key else { throw unusable("it is the state of another stage") }
    let parts = try header.lengths.map(next)
    guard let outline = parts.first else { throw unusable("it is empty") }
    self.key = key
    events = header.events
    state = SavedState(step: header.step, outline: outline, tensors: Array(parts.dropFirst()))
  }

  func write(to url: URL, _ files: FileOperations) throws {
    let parts = [state.outline] + state.tensors
    let header = try storedJSON(Header(key: key, events: events, step: state.step, lengths: parts.map(\.count)))
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
    var hash = StreamingDigest()
    try files.replace(url) { write in
      for part in [Self.magic, length, header] + parts {
        try part.withUnsafeBytes { bytes in
          hash.update(bytes)
          try write(bytes)
        }
      }
      try hash.finish().bytes.withUnsafeBytes(write)
    }
  }
}

struct UnusableCheckpoint: Error, CustomStringConvertible {
  let url: URL
  let reason: String
  var description: String { "the saved state \(url.posixPath) cannot be used: \(reason)" }
}
