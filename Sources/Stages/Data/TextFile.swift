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
  /// A byte order mark decides; else UTF-16 if zero bytes are so many and so placed, UTF-8 if valid, CP949 or
  /// windows-1252 if it looks and decodes so.
  case auto
  case utf8 = "utf-8"
  /// By its byte order mark, else by where the zero bytes are.
  case utf16 = "utf-16"
  case cp949
  case windows1252 = "windows-1252"
  case latin1 = "latin-1"
}

package struct TextFile {
  package let url: URL
  /// UTF-8, validated, without a byte order mark.
  package let utf8: Data
  /// The encoding that was found: `UTF-8`, `UTF-16LE`, `UTF-16BE`, `CP949`, `windows-1252`, `ISO-8859-1`.
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
    if let zero = utf8.withUnsafeBytes(Self.firstZero) { throw Self.zeroByte(utf8, at: zero, of: url) }
  }

  private static func decode(_ data: Data, asked: FileEncoding, of url: URL) throws -> (name: String, utf8: Data) {
    let (name, body) = recognise(data, asked: asked)
    guard name == "UTF-8" else { return (name, try convert(body, from: name, of: url)) }
    let validity = body.withUnsafeBytes(UTF8Validity.init)
    guard let bad = validity.firstInvalid else { return (name, body) }
    if asked == .auto, validity.invalidCount > validity.multibyteCount {
      let bytes = LegacyBytes(body)
      for (name, looksSo) in [("CP949", bytes.lookKorean), ("windows-1252", bytes.lookWestern)] where looksSo {
        if let text = convert(body, from: name).utf8 { return (name, text) }
      }
    }
    throw undecodable(body, at: bad, as: name, of: url)
  }

  private static func recognise(_ data: Data, asked: FileEncoding) -> (name: String, body: Data) {
    func starts(_ mark: [UInt8]) -> Bool { data.starts(with: mark) }
    switch asked {
    case .cp949: return ("CP949", data)
    case .windows1252: return ("windows-1252", data)
    case .latin1: return ("ISO-8859-1", data)
    case .utf8: return ("UTF-8", starts([0xEF, 0xBB, 0xBF]) ? data.dropFirst(3) : data)
    case .auto, .utf16:
      if starts([0xFF, 0xFE]) { return ("UTF-16LE", data.dropFirst(2)) }
      if starts([0xFE, 0xFF]) { return ("UTF-16BE", data.dropFirst(2)) }
      let zeros = ZeroBytes(data.prefix(4096))
      if asked == .utf16 { return (zeros.likelierUTF16, data) }
      if data.count % 2 == 0, let name = zeros.utf16, convert(data, from: name).utf8 != nil { return (name, data) }
      return recognise(data, asked: .utf8)
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
    var output = Data(count: data.count * 3 + 16)  // a byte becomes three at most
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

  private static func firstZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress, let zero = memchr(start, 0, bytes.count) else { return nil }
    return UnsafeRawPointer(zero) - start
  }

  /// From 1.
  private static func place(of offset: Int, in data: Data) -> (line: Int, byte: Int) {
    let before = data.prefix(offset)
    let lineStart = before.lastIndex(of: 0x0A).map { $0 - data.startIndex + 1 } ?? 0
    return (before.count { $0 == 0x0A } + 1, offset - lineStart + 1)
  }

  private static func zeroByte(_ data: Data, at offset: Int, of url: URL) -> DataError {
    let (line, byte) = place(of: offset, in: data)
    return DataError(
      url, line: line,
      "byte \(byte) of the line (byte \(offset + 1) of the text) is zero, which no text has; repair the file, or name its "
        + "encoding if it is not UTF-8: \(FileEncoding.allCases.map(\.rawValue).joined(separator: ", "))")
  }

  private static func undecodable(_ data: Data, at offset: Int, as encoding: String, of url: URL) -> DataError {
    let (line, inLine) = place(of: offset, in: data)
    let byte = offset < data.count ? String(data[data.startIndex + offset], radix: 16, uppercase: true) : "end of file"
    return DataError(
      url, line: line,
      "byte \(inLine) of the line (0x\(byte), byte \(offset + 1) of the file) does not decode as \(encoding); "
        + "repair it, or name the file's encoding: \(FileEncoding.allCases.map(\.rawValue).joined(separator: ", "))")
  }
}
