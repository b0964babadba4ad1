/// A report as sections of tables, which a terminal, Markdown and a page draw.

package struct ReportCell: ExpressibleByStringLiteral, Equatable {
  package enum Tone: String { case plain, better, worse }
  package var text: String
  package var tone = Tone.plain

  package init(_ text: String, _ tone: Tone = .plain) {
    self.text = text
    self.tone = tone
  }
  package init(stringLiteral text: String) { self.init(text) }
}

package struct ReportSection: Equatable {
  package var title: String
  package var header: [String] = []
  /// As wide as the header.
  package var rows: [[ReportCell]] = []
  /// Columns of numbers, which end at the right.
  package var numbers: Set<Int> = []
  /// Sentences below the table.
  package var lines: [String] = []

  package init(
    title: String, header: [String] = [], rows: [[ReportCell]] = [], numbers: Set<Int> = [], lines: [String] = []
  ) {
    self.title = title
    self.header = header
    self.rows = rows
    self.numbers = numbers
    self.lines = lines
  }

  package var isEmpty: Bool { rows.isEmpty && lines.isEmpty }
}
