/// The end of what an attempt printed.
import Artifacts
import Foundation

/// The last lines that are not empty; long ones by their ends.
/// - Parameter root: a folder beneath which no link is followed, in most cases the store.
package func lastLines(of log: URL, beneath root: URL, count: Int = 12) throws -> [String] {
  let file = try Enclosure(root).open(log, O_RDONLY)
  let length = try file.length(of: log)
  let text = String(decoding: try file.bytes(of: log, from: max(0, length - 8192)), as: UTF8.self)
  return text.split(whereSeparator: \.isNewline).suffix(count).map { line in
    line.count > 1000 ? "…\(line.suffix(1000))" : String(line)
  }
}
