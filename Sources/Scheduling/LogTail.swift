/// The end of what an attempt printed.
import Foundation

/// The last lines that are not empty; long ones by their ends.
package func lastLines(of log: URL, count: Int = 12) throws -> [String] {
  let file = try FileHandle(forReadingFrom: log)
  let length = try file.seekToEnd()
  try file.seek(toOffset: length > 8192 ? length - 8192 : 0)
  let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
  return text.split(whereSeparator: \.isNewline).suffix(count).map { line in
    line.count > 1000 ? "…\(line.suffix(1000))" : String(line)
  }
}
