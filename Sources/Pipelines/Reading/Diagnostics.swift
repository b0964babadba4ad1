/// Collects the problems of a file, and of those that it names, while they are read; each with its source line.
import Foundation

/// Used on one thread while one file is planned.
final class Diagnostics {
  /// By `Mark.source`: the file that the user named, then those that it brings in.
  private(set) var sources: [Source] = []
  private(set) var problems: [Problem] = []
  /// What stops nothing.
  private(set) var warnings: [Problem] = []
  private var reported: Set<Problem> = []

  /// A text with places: a file, or an argument of the command line.
  struct Source {
    /// As the user named it.
    let file: URL
    /// The file without a byte order mark.
    let bytes: [UInt8]
    /// The folder that its paths are relative to.
    let folder: URL
    /// Split where libyaml counts lines; nothing until a problem asks for them.
    fileprivate var lines: [Substring] = []
  }

  /// More than anyone reads; it keeps a hostile file from filling memory.
  private let mostProblems = 1000
  private let mostSuggestions = 100  // each looks at every name there is
  private let longestLine = 240

  init(file: URL, bytes: [UInt8]) { _ = add(file, bytes) }

  /// - Parameter folder: that paths are relative to; absent: the file's own.
  /// - Returns: what marks of this file have as `source`.
  func add(_ file: URL, _ bytes: [UInt8], folder: URL? = nil) -> Int {
    sources.append(
      Source(
        file: file, bytes: bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes,
        folder: folder ?? file.absoluteURL.standardizedFileURL.deletingLastPathComponent()))
    return sources.count - 1
  }

  func report(_ message: String, at mark: Mark, suggestion: @autoclosure () -> String? = nil) {
    guard problems.count < mostProblems else { return }
    let problem = problem(message, at: mark, suggestion: problems.count < mostSuggestions ? suggestion() : nil)
    if reported.insert(problem).inserted { problems.append(problem) }
  }

  func warn(_ message: String, at mark: Mark) {
    guard warnings.count < mostProblems else { return }
    var warning = problem(message, at: mark)
    warning.severity = .warning
    if reported.insert(warning).inserted { warnings.append(warning) }
  }

  func problem(_ message: String, at mark: Mark, suggestion: String? = nil) -> Problem {
    // A line too long to show, such as JSON in one line, is left out where the place is far to the right.
    let line = mark.column <= longestLine ? String(line(mark).unicodeScalars.prefix(longestLine)) : ""
    return Problem(message, at: location(mark), in: line, suggestion: suggestion)
  }

  func location(_ mark: Mark) -> SourceLocation {
    SourceLocation(file: sources[mark.source].file, line: mark.line, column: mark.column)
  }

  /// What `location` was made from.
  func mark(_ location: SourceLocation) -> Mark {
    Mark(
      line: location.line, column: location.column,
      source: sources.firstIndex { $0.file == location.file } ?? 0)
  }

  func line(_ mark: Mark) -> Substring {
    if sources[mark.source].lines.isEmpty {
      sources[mark.source].lines = String(decoding: sources[mark.source].bytes, as: UTF8.self).yamlLines
    }
    let lines = sources[mark.source].lines
    return lines.indices.contains(mark.line - 1) ? lines[mark.line - 1] : ""
  }

  func mark(ofByte offset: Int, source: Int) -> Mark {
    let before = String(decoding: sources[source].bytes.prefix(offset), as: UTF8.self).yamlLines
    return Mark(line: before.count, column: before[before.count - 1].unicodeScalars.count + 1, source: source)
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
