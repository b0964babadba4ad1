/// Text in documents and drawings: HTML, Markdown, DOT, Mermaid.

extension Escape {
  /// Gives the text for HTML and SVG, in elements and in quoted attributes.
  package static func html(_ text: String) -> String {
    printable(text).replacingScalars { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "'": "&#39;"
      default: nil
      }
    }
  }

  /// Gives the text for one line of Markdown, a heading, an item or a table's cell: CommonMark with GitHub's tables, see
  /// https://github.github.com/gfm.
  package static func markdown(_ text: String) -> String {
    var isStart = true
    var isNumber = true
    return printable(text).replacingScalars { scalar in
      defer {
        isStart = false
        if !("0"..."9" ~= scalar) { isNumber = false }
      }
      switch scalar {
      case "\\", "`", "*", "_", "[", "]", "<", ">", "|", "~", "&", "$", "!": return "\\\(scalar)"
      // Those that make a heading, an item or a rule of a line.
      case "#", "+", "-", "=", ":": return isStart ? "\\\(scalar)" : nil
      case ".", ")": return isNumber && !isStart ? "\\\(scalar)" : nil
      default: return nil
      }
    }
  }

  /// Gives the text as code in a line of Markdown or a table's cell: in backquotes, or as HTML where it has backquotes or
  /// bars itself, for which there is no other way that all programs understand.
  package static func markdownCode(_ text: String) -> String {
    let text = printable(text)
    let isSimple =
      !text.isEmpty && text.unicodeScalars.allSatisfy { $0 != "`" && $0 != "|" }
      && text.first != " " && text.last != " "
    if isSimple { return "`\(text)`" }
    return "<code>" + text.replacingScalars { $0.isASCIIPunctuation || $0 == " " ? "&#\($0.value);" : nil } + "</code>"
  }

  /// Gives the text for a quoted label of Graphviz, see https://graphviz.org/doc/info/lang.html; `&` begins an entity.
  package static func dot(_ text: String) -> String {
    printable(text).replacingScalars { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "&": "&amp;"
      default: nil
      }
    }
  }

  /// Gives the text for a quoted label of Mermaid, see https://mermaid.js.org/syntax/flowchart.html: it takes entities by
  /// number, begun by `#`.
  package static func mermaid(_ text: String) -> String {
    printable(text).replacingScalars { scalar in
      scalar.isASCIIPunctuation && !"-_.,:/=()@+[] ".unicodeScalars.contains(scalar) ? "#\(scalar.value);" : nil
    }
  }
}
