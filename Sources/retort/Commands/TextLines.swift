/// The texts that commands read from a file: JSON lines with `text`, or plain lines where the name ends in .txt.
import Foundation
import JSONText

enum TextLines {
  /// Throws a `Failure` that names file and line.
  static func read(_ file: String) throws -> [String] {
    let data: Data
    do { data = try Data(contentsOf: URL(filePath: file), options: .mappedIfSafe) } catch {
      throw Failure("\(file) cannot be read: \(error.localizedDescription)")
    }
    return try data.withUnsafeBytes { bytes in
      let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      return try lines.filter { !$0.element.isEmpty }.map { number, line in
        try text(
          of: UnsafeRawBufferPointer(rebasing: line), at: "\(file):\(number + 1)", isPlain: file.hasSuffix(".txt"))
      }
    }
  }

  private static func text(of line: UnsafeRawBufferPointer, at place: String, isPlain: Bool) throws -> String {
    if isPlain {
      guard let text = String(validating: line, as: UTF8.self) else {
        throw Failure("\(place): these bytes are not UTF-8")
      }
      return text
    }
    let value: JSONValue
    do {
      var reader = JSONReader(line)
      value = try reader.onlyValue()
    } catch {
      throw Failure("\(place): \(error)")
    }
    guard let text = value["text"]?.string else {
      throw Failure("\(place): expected a JSON object with a string `text`")
    }
    return text
  }
}
