/// Collects the problems of one file while it is read, each with its source line.
import Foundation

/// Used on one thread while one file is planned.
final class Diagnostics {
  let file: URL
  /// The file without a byte order mark.
  let bytes: [UInt8]
  private(set) var problems: [Problem] = []
  private var reported: Set<Problem> = []
  /// Split where libyaml counts lines.
  private lazy var lines = String(decoding: bytes, as: UTF8.self).yamlLines

  /// More than anyone reads; it keeps a hostile file from filling memory.
  private let mostProblems = 1000
  private let mostSuggestions = 100  // each looks at every name there is
  private let longestLine = 240

  init(file: URL, bytes: [UInt8]) {
    self.file = file
    self.bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes
  }

  func report(_ message: String, at mark: Mark, suggestion: @autoclosure () -> String? = nil) {
    guard problems.count < mostProblems else { return }
    let problem = problem(message, at: mark, suggestion: problems.count < mostSuggestions ? suggestion() : nil)
    if reported.insert(problem).inserted { problems.append(problem) }
  }

  func problem(_ message: String, at mark: Mark, suggestion: String? = nil) -> Problem {
    // A line too long to show, such as JSON in one line, is left out where the place is far to the right.
    let line = mark.column <= longestLine ? String(line(mark.line).unicodeScalars.prefix(longestLine)) : ""
    return Problem(message, at: location(mark), in: line, suggestion: suggestion)
  }

  func location(_ mark: Mark) -> SourceLocation { SourceLocation(file: file, line: mark.line, column: mark.column) }

  func line(_ number: Int) -> Substring {
    lines.indices.contains(number - 1) ? lines[number - 1] : ""
  }

  func mark(ofByte offset: Int) -> Mark {
    let before = String(decoding: bytes.prefix(offset), as: UTF8.self).yamlLines
    return Mark(line: before.count, column: before[before.count - 1].unicodeScalars.count + 1)
  }
}

extension String {
  /// The text between line breaks: LF, CR, CR LF, NEL, LS and PS. At least one line.
  fileprivate var yamlLines: [Substring] {
    let scalars = unicodeScalars
    var lines: [Substring] = []
    var start = startIndex
    var index = startIndex
    while index < endIndex {
      var next = scalars.index(after: index)
      switch scalars[index] {
      case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}":
        lines.append(self[start..<index])
        if scalars[index] == "\r", next < endIndex, scalars[next] == "\n" { next = scalars.index(after: next) }
        start = next
      default: break
      }
      index = next
    }
    lines.append(self[start...])
    return lines
  }
}
