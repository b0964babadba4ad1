/// Reads a file once, hashing it on the way.
import Foundation

package enum FileContent {
  private static let chunkBytes = 1 << 20

  /// Hands the bytes to `body` in chunks; the digest equals that of `sha256sum`. Links are followed; a fifo is an error.
  package static func read(
    _ url: URL, _ body: (UnsafeRawBufferPointer) throws -> Void = { _ in }
  ) throws -> (digest: Digest, bytes: Int) {
    let file = Descriptor(open(url.posixPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
    guard file.raw >= 0 else { throw FileError("open", url) }
    let status = try file.status(of: url)
    guard status.isFile else { throw UnexpectedFile(url: url, found: status.kind, expected: "a file") }
    return try read(file, url, body)
  }

  /// The same of an open file, from where it stands.
  /// - Parameter limit: bytes that are read at most.
  static func read(
    _ file: borrowing Descriptor, _ url: URL, atMost limit: Int = .max, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> (digest: Digest, bytes: Int) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 64)
    defer { buffer.deallocate() }
    var hash = StreamingDigest()
    var total = 0
    while true {
      let count = Foundation.read(file.raw, buffer.baseAddress, min(buffer.count, limit - total))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError("read", url) }
      guard count > 0 else { break }
      let chunk = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      hash.update(chunk)
      try body(chunk)
      total += count
    }
    return (hash.finish(), total)
  }
}
