/// What `retort new` found in data, for people and as JSON.
import Escaping
import Foundation
import Pipelines
import Stages

extension FileLook {
  var report: String {
    let form = isTree ? "a JSON tree" : format.rawValue.uppercased()
    let head =
      "\(url.lastPathComponent): \(form), \(encoding)" + (isTree ? "" : ", \(records) records")
      + remarks.map { "; \($0)" }.joined()
    guard !columns.isEmpty else { return head }
    var table = Table(["  column", "filled", "distinct", "examples"], numbers: [1, 2])
    for column in columns {
      let examples = column.examples.map { $0.inOneLine.shortened(toColumns: 24) }.joined(separator: " | ")
      table.add(["  \(column.name)", "\(column.filled)", "\(column.distinct)", examples])
    }
    return head + "\n" + table.text
  }
}

extension DataLook {
  var report: String {
    var lines = ["taken for \(form): \(why)"]
    func add(_ recognised: [Recognised], _ name: String) {
      for column in recognised {
        let what = column.column.isEmpty ? "none" : "`\(column.column)`"
        lines.append("  \(name)\(column.role) is \(what): \(column.why)")
      }
    }
    add(recognised, "")
    add(recognisedInPassages, "the passages' ")
    if let fullTemplate { lines.append("  the passages say more; all of it: passage_template: \(fullTemplate)") }
    return lines.joined(separator: "\n")
  }
}

extension ParsedGroups {
  /// - Parameter columns: of the terminal.
  func report(columns: Int) -> String {
    var lines = [
      found.isEmpty
        ? "groups: \(groups) | positives: \(positives) | negatives: \(negatives) | passages: \(passages)"
        : "queries: \(groups) | passages: \(passages)"
    ]
    lines += warnings.map { "warning: \($0)" }
    for (place, group) in examples.enumerated() {
      var texts = [("query", group.query)]
      if place < found.count { texts += found[place].map { ("BM25", ($0.title.map { "\($0). " } ?? "") + $0.text) } }
      texts += shown(group.positives, "positive") + shown(group.negatives, "negative")
      lines.append("")
      lines += texts.map { name, text in
        let label = "  " + name.padding(toLength: 10, withPad: " ", startingAt: 0)
        return label + text.inOneLine.shortened(toColumns: columns - label.terminalColumns)
      }
    }
    return lines.joined(separator: "\n")
  }

  private func shown(_ passages: [Passage], _ name: String) -> [(String, String)] {
    passages.prefix(2).map { (name, $0.text) } + (passages.count > 2 ? [("", "and \(passages.count - 2) more")] : [])
  }
}

extension String {
  var inOneLine: String {
    String(String.UnicodeScalarView(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  /// As much of it as fits into so many columns of a terminal, with `…` where something is missing.
  func shortened(toColumns limit: Int) -> String {
    terminalColumns > limit ? clipped(toColumns: limit - 1) + "…" : self
  }
}

/// `retort new --json`.
struct NewReport: Encodable {
  struct File: Encodable {
    struct Column: Encodable { var name: String, filled: Int, distinct: Int, examples: [String] }
    var path: String
    var encoding: String
    var format: String
    var records: Int
    var columns: [Column]
  }
  struct Recognition: Encodable { var role: String, column: String, why: String }
  /// `found`, of queries without gold: what BM25 finds.
  struct Group: Encodable { var query: String, positives: [String], negatives: [String], found: [String]? }
  struct Counts: Encodable { var groups: Int, positives: Int, negatives: Int, passages: Int }
  var files: [File]
  var form: String
  var why: String
  var columns: [Recognition]
  var passageColumns: [Recognition]
  var counts: Counts
  var examples: [Group]
  var warnings: [String]
  /// The pipeline that was written.
  var output: String

  init(_ files: [FileLook], _ look: DataLook, _ parsed: ParsedGroups, output: String) {
    self.files = files.map { file in
      File(
        path: file.url.relativePath, encoding: file.encoding, format: file.format.rawValue, records: file.records,
        columns: file.columns.map {
          File.Column(name: $0.name, filled: $0.filled, distinct: $0.distinct, examples: $0.examples)
        })
    }
    form = look.form
    why = look.why
    columns = look.recognised.map { Recognition(role: $0.role, column: $0.column, why: $0.why) }
    passageColumns = look.recognisedInPassages.map { Recognition(role: $0.role, column: $0.column, why: $0.why) }
    counts = Counts(
      groups: parsed.groups, positives: parsed.positives, negatives: parsed.negatives, passages: parsed.passages)
    examples = parsed.examples.enumerated().map { place, group in
      Group(
        query: group.query, positives: group.positives.map(\.text), negatives: group.negatives.map(\.text),
        found: place < parsed.found.count ? parsed.found[place].map(\.text) : nil)
    }
    warnings = parsed.warnings
    self.output = output
  }
}
