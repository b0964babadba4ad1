/// A terminal's size, text cut to fit it, and a block of lines that is drawn again in place.
import Escaping
import Foundation
import Pipelines

struct Screen {
  var columns: Int
  var rows: Int

  /// Of standard output; 80 by 24 where that is unknown.
  static var current: Screen {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return Screen(columns: 80, rows: 24)
    }
    return Screen(columns: Int(size.ws_col), rows: Int(size.ws_row))
  }

  /// Columns for texts of any length: a terminal's, or 100.
  static var textColumns: Int {
    let columns = current.columns
    return Terminal.isInteractive && columns >= 40 ? columns : 100
  }
}

/// A line in parts, each with an SGR code or none.
struct StyledLine {
  var parts: [(text: String, code: Int?)]

  /// - Parameter keepsLines: whether line breaks in it stay, which a block that is drawn again must not have.
  init(_ text: String, _ code: Int? = nil, keepsLines: Bool = false) {
    parts = [(Escape.printable(text, keepsLines: keepsLines), code)]
  }
  static func + (left: StyledLine, right: StyledLine) -> StyledLine {
    var line = left
    line.parts += right.parts
    return line
  }
  /// Whether a word needs no space before it.
  var endsInSpace: Bool { parts.last?.text.hasSuffix(" ") ?? true }
  static func + (left: StyledLine, right: String) -> StyledLine { left + StyledLine(right) }

  var columns: Int { parts.reduce(0) { $0 + $1.text.terminalColumns } }

  /// - Parameter columns: what it has to stay below; `nil`: any length.
  func rendered(columns: Int?, colour: Bool) -> String {
    var left = columns
    return parts.map { text, code in
      let shown = left.map { text.clipped(toColumns: $0 - 1) } ?? text
      left = left.map { shown.utf8.count == text.utf8.count ? $0 - shown.terminalColumns : 0 }
      return colour && code != nil && !shown.isEmpty ? "\u{1B}[\(code!)m\(shown)\u{1B}[0m" : shown
    }.joined()
  }
}

/// Lines at the bottom of a terminal that replace each other.
struct LiveBlock {
  /// Columns of each line that stands there.
  private var shown: [Int] = []

  /// Replaces what it showed, as much as the screen holds, by one write.
  mutating func show(_ lines: [StyledLine], on screen: Screen = .current, colour: Bool = Terminal.hasColour) {
    // A narrower window has broken lines in two.
    let height = shown.reduce(0) { $0 + max(1, ($1 + screen.columns - 1) / screen.columns) }
    if height > 0 { Terminal.control("\u{1B}[\(min(height, screen.rows - 1))A\r\u{1B}[J") }
    let visible = lines.prefix(screen.rows - 1)
    for line in visible { Terminal.say(line, columns: screen.columns, colour: colour) }
    shown = visible.map { min($0.columns, screen.columns - 1) }
    Terminal.flush()
  }
}
