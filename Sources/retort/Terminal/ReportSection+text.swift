/// Sections of a report as plain text and as Markdown.
import Escaping
import Reports

extension ReportSection {
  var text: String { [self].text }
}

extension [ReportSection] {
  var text: String {
    filter { !$0.isEmpty }.map { section in
      var table = Table([section.title] + section.header.dropFirst(), numbers: section.numbers)
      for row in section.rows { table.add(row.map(\.text)) }
      let parts = (section.rows.isEmpty ? [section.title] : [table.text]) + section.lines
      return parts.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }

  var markdown: String {
    filter { !$0.isEmpty }.map { section in
      var lines = ["## \(Escape.markdown(section.title))", ""]
      if !section.rows.isEmpty {
        func line(_ cells: [String]) -> String { "| " + cells.map(Escape.markdown).joined(separator: " | ") + " |" }
        lines.append(line(section.header))
        lines.append(
          "|" + section.header.indices.map { section.numbers.contains($0) ? "--:" : "---" }.joined(separator: "|") + "|"
        )
        lines += section.rows.map { line($0.map(\.text)) }
        if !section.lines.isEmpty { lines.append("") }
      }
      return (lines + section.lines.map { "- \(Escape.markdown($0))" }).joined(separator: "\n")
    }.joined(separator: "\n\n")
  }
}
