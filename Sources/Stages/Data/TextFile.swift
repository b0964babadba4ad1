/// A text file as valid UTF-8, whatever encoding it came in.
import Foundation
import Pipelines

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How a text file's bytes are to be read.
package enum FileEncoding: String, ParameterChoice {
  /// A byte order mark decides; else UTF-16 if there are zero bytes, UTF-8 if valid, CP949 if it looks and decodes so.
  case auto
  case utf8 = "utf-8"
  /// By its byte order mark, else by where the zero bytes are.
  case utf16 = "utf-16"
  case cp949
}

package struct TextFile {
  package let url: URL
  /// UTF-8, validated, without a byte order mark.
  package let utf8: Data
  /// The encoding that was found: `UTF-8`, `UTF-16LE`, `UTF-16BE`, `CP949`.
  package let encoding: String

  /// Throws `DataError` with line and byte where the bytes do not decode. The file is mapped, not copied, if UTF-8.
  package init(_ url: URL, encoding: FileEncoding = .auto) throws {
    guard !url.isFolder else { throw DataError(url, "is a folder, expected a file") }
    let data: Data
    do {
      data = try Data(contentsOf: url, options: .mappedIfSafe)
    } catch {
      throw DataError(url, "cannot be read: \(error.localizedDescription)")
    }
    self.url = url
    (self.encoding, utf8) = try Self.decode(data, asked: encoding, of: url)
  }

  private static func decode(_ data: Data, asked: FileEncoding, of url: URL) throws -> (name: String, utf8: Data) {
    let (name, body) = recognise(data, asked: asked)
    guard name == "UTF-8" else { return (name, try convert(body, from: name, of: url)) }
    let validity = body.withUnsafeBytes(UTF8Validity.init)
    guard let bad = validity.firstInvalid else { return (name, body) }
    if asked == .auto, validity.invalidCount > validity.multibyteCount, let text = convert(body, from: "CP949").utf8 {
      return ("CP949", text)
    }
    throw undecodable(body, at: bad, as: name, of: url)
  }

  private static func recognise(_ data: Data, asked: FileEncoding) -> (name: String, body: Data) {
    func starts(_ mark: [UInt8]) -> Bool { data.starts(with: mark) }
    switch asked {
    case .cp949: return ("CP949", data)
    case .utf8: return ("UTF-8", starts([0xEF, 0xBB, 0xBF]) ? data.dropFirst(3) : data)
    case .auto, .utf16:
      if starts([0xFF, 0xFE]) { return ("UTF-16LE", data.dropFirst(2)) }
      if starts([0xFE, 0xFF]) { return ("UTF-16BE", data.dropFirst(2)) }
      if let zero = data.prefix(4096).firstIndex(of: 0) { return (zero % 2 == 0 ? "UTF-16BE" : "UTF-16LE", data) }
      return asked == .utf16 ? ("UTF-16LE", data) : recognise(data, asked: .utf8)
    }
  }

  private static func convert(_ data: Data, from encoding: String, of url: URL) throws -> Data {
    let (converted, bad) = convert(data, from: encoding)
    guard let converted else { throw undecodable(data, at: bad, as: encoding, of: url) }
    return converted
  }

  /// By iconv, strictly: the text, or the offset of the first byte that does not decode.
  private static func convert(_ data: Data, from encoding: String) -> (utf8: Data?, firstInvalid: Int) {
    let descriptor = iconv_open("UTF-8", encoding)
    guard descriptor != iconv_t(bitPattern: -1) else { return (nil, 0) }
    defer { iconv_close(descriptor) }
    var output = Data(count: data.count * 2 + 16)  // two bytes become three at most
    let (left, room) = output.withUnsafeMutableBytes { output in
      data.withUnsafeBytes { input in
        var source = UnsafeMutablePointer(mutating: input.bindMemory(to: CChar.self).baseAddress)
        var target = output.bindMemory(to: CChar.self).baseAddress
        var left = input.count
        var room = output.count
        _ = iconv(descriptor, &source, &left, &target, &room)  // whatever is `left` tells whether it failed, and where
        return (left, room)
      }
    }
    output.removeLast(room)
    return (left == 0 ? output : nil, data.count - left)
  }

  private static func undecodable(_ data: Data, at offset: Int, as encoding: String, of url: URL) -> DataError {
    let before = data.prefix(offset)
    let line = before.count { $0 == 0x0A } + 1
    let inLine = offset - (before.lastIndex(of: 0x0A).map { $0 - data.startIndex + 1 } ?? 0) + 1
    let byte = offset < data.count ? String(data[data.startIndex + offset], radix: 16, uppercase: true) : "end of file"
    return DataError(
      url, line: line,
      "byte \(inLine) of the line (0x\(byte), byte \(offset + 1) of the file) does not decode as \(encoding); "
        + "repair it, or name the file's encoding: \(FileEncoding.allCases.map(\.rawValue).joined(separator: ", "))")
  }
}

/// Whether bytes are UTF-8, and how far they are from it.
private struct UTF8Validity {
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
