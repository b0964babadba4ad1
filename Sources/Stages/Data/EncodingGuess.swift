/// What tells of bytes which encoding they are in, where nothing says so.
import Foundation

/// Zero bytes and what stands beside them: UTF-16 has one at each ASCII character, always on the same side.
struct ZeroBytes {
  /// ASCII characters, if the bytes are UTF-16 of that order.
  private var little = 0
  private var big = 0
  private let data: Data

  init(_ data: Data) {
    self.data = data
    var first: UInt8 = 0
    for (offset, byte) in data.enumerated() {
      if offset.isMultiple(of: 2) {
        first = byte
      } else if byte == 0 && 1..<0x80 ~= first {
        little += 1
      } else if first == 0 && 1..<0x80 ~= byte {
        big += 1
      }
    }
  }

  var likelierUTF16: String { big > little ? "UTF-16BE" : "UTF-16LE" }

  /// The encoding, if it is UTF-16: nearly all of English is ASCII; of Korean little, but then it is not UTF-8.
  var utf16: String? {
    guard max(little, big) > 4 * min(little, big) else { return nil }
    let isMost = max(little, big) * 3 > data.count
    let isSome = max(little, big) * 32 > data.count
    guard isMost || isSome && data.withUnsafeBytes(UTF8Validity.init).invalidCount > 1 else { return nil }
    return likelierUTF16
  }
}

/// Bytes that are not UTF-8.
struct LegacyBytes {
  /// Pairs of CP949 whose bytes are both above 0xA0: KS X 1001, nearly all of modern Korean.
  private var pairs = 0
  /// Other pairs that CP949 has: rare syllables; in western text a sign and the letter after it.
  private var rarePairs = 0
  private var high = 0
  private var letters = 0
  private var hasUndefined = false

  init(_ data: Data) {
    var lead: UInt8?
    for byte in data {
      if byte >= 0x80 { high += 1 }
      if byte > 0x20 { letters += 1 }
      hasUndefined = hasUndefined || [0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(byte)
      if let first = lead {
        if first > 0xA0 && byte > 0xA0 { pairs += 1 } else { rarePairs += 1 }
        lead = nil
      } else if byte > 0x80 {
        lead = byte
      }
    }
  }

  var lookKorean: Bool { pairs > 2 * rarePairs }
  /// Windows-1252 leaves five bytes undefined, and western languages write most letters in ASCII.
  var lookWestern: Bool { !hasUndefined && high * 3 < letters }
}

/// Whether bytes are UTF-8, and how far they are from it.
struct UTF8Validity {
  var firstInvalid: Int?
  var invalidCount = 0
  /// Well-formed sequences of two to four bytes.
  var multibyteCount = 0

  /// Well-formed as Unicode's table 3-7 says.
  init(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while offset < bytes.count {
      let lead = bytes[offset]
      if lead < 0x80 {
        offset += 1
        continue
      }
      let (length, second): (Int, ClosedRange<UInt8>) =
        switch lead {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: (0, 0...0)
        }
      if length > 0, offset + length <= bytes.count, second.contains(bytes[offset + 1]),
        bytes[(offset + 2)..<(offset + length)].allSatisfy({ $0 & 0xC0 == 0x80 })
      {
        multibyteCount += 1
        offset += length
      } else {
        firstInvalid = firstInvalid ?? offset
        invalidCount += 1
        offset += 1
      }
    }
  }
}
