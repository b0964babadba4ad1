/// SHA-256 of content: of bytes, of a file as `sha256sum` prints it, or of a canonical encoding.
import Crypto
import Foundation

/// 32 bytes, ordered as their hexadecimal text is.
package struct Digest: Hashable, Sendable, Comparable {
  private let words: Words  // big-endian reading of the bytes

  /// Not a `SIMD4`: its alignment of 32 overruns the frames of async functions (Swift 6.3.1).
  private struct Words: Hashable {
    private var (first, second, third, fourth): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    subscript(index: Int) -> UInt64 {
      get {
        switch index {
        case 0: first
        case 1: second
        case 2: third
        default: fourth
        }
      }
      set {
        switch index {
        case 0: first = newValue
        case 1: second = newValue
        case 2: third = newValue
        default: fourth = newValue
        }
      }
    }
  }

  /// Of 64 hexadecimal digits; `nil` for anything else.
  package init?(hex: String) {
    let digits = hex.utf8
    guard digits.count == 64 else { return nil }
    var words = Words()
    for (index, digit) in digits.enumerated() {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = digit - UInt8(ascii: "A") + 10
      default: return nil
      }
      words[index / 16] = words[index / 16] << 4 | UInt64(value)
    }
    self.words = words
  }

  fileprivate init(_ digest: SHA256.Digest) {
    words = digest.withUnsafeBytes { bytes in
      var words = Words()
      for index in 0..<32 { words[index / 8] = words[index / 8] << 8 | UInt64(bytes[index]) }
      return words
    }
  }

  package init(of bytes: some DataProtocol) {
    self.init(SHA256.hash(data: bytes))
  }

  package init(of text: String) {
    self.init(of: Array(text.utf8))
  }

  /// Of a file's bytes, read in pieces. Throws if it cannot be read.
  package init(ofFile url: URL) throws {
    let file = try FileHandle(forReadingFrom: url)
    defer { try? file.close() }  // only read from: nothing is lost if closing fails
    var hash = StreamingDigest()
    try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 64) { buffer in
      while true {
        let count = read(file.fileDescriptor, buffer.baseAddress, buffer.count)
        if count == 0 { break }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else {
          throw CocoaError(.fileReadUnknown, userInfo: [NSFilePathErrorKey: url.path, "errno": errno])
        }
        hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    self = hash.finish()
  }

  package static func < (left: Digest, right: Digest) -> Bool {
    for index in 0..<4 where left.words[index] != right.words[index] {
      return left.words[index] < right.words[index]
    }
    return false
  }
}

extension Digest: CustomStringConvertible {
  /// 64 lower-case hexadecimal digits.
  package var description: String {
    (0..<4).map { index in
      let digits = String(words[index], radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  package var bytes: [UInt8] {
    (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (56 - 8 * ($0 % 8))) }
  }
}

extension Digest: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let hex = try container.decode(String.self)
    guard let digest = Digest(hex: hex) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected a digest of 64 hexadecimal digits, found `\(hex)`")
    }
    self = digest
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// A digest of bytes that come piece by piece.
package struct StreamingDigest: Sendable {
  private var hash = SHA256()

  package init() {}
  package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }
  package mutating func update(_ bytes: some DataProtocol) { hash.update(data: bytes) }
  package func finish() -> Digest { Digest(hash.finalize()) }
}
