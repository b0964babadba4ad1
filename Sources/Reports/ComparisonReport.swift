/// A comparison as sections: metrics first, then what went in, where the lineages part, and times.
import Basics
import Foundation
import Lineage
import Pipelines

package struct ComparisonReport {
  private let comparison: RunComparison
  private let all: Bool
  /// Beyond so many columns of metrics, metrics become the table's lines.
  private static let mostColumns = 4

  /// - Parameter all: also what does not differ.
  package init(_ comparison: RunComparison, all: Bool) {
    self.comparison = comparison
    self.all = all
  }

  package var sections: [ReportSection] {
    let shown = [
      metrics, types, ReportSection(verdicts: comparison.verdicts, names: names),
      lines("parameters", comparison.parameters),
      lines("inputs", comparison.inputs),
      lines("code", comparison.code), lineage, times,
    ].filter { !$0.isEmpty }
    let differs =
      shown.isEmpty && !all ? [ReportSection(title: "nothing differs", lines: [same].compactMap { $0 })] : shown
    return differs
      + [
        ReportSection(title: "warnings", lines: comparison.warnings),
        ReportSection(title: "notes", lines: comparison.notes),
      ].filter { !$0.isEmpty }
  }

  private var names: [String] {
    comparison.rows.map { row in
      let labels = row.labels.isEmpty ? "" : " (\(row.labels.joined(separator: ", ")))"
      return row.name + labels + (row.members.count > 1 ? " ×\(row.members.count)" : "")
    }
  }

  package var metrics: ReportSection {
    let metrics = comparison.metrics
    let isTested = metrics.contains { $0.cells.contains { $0.test != nil } }
    let isSeedTested = metrics.contains { $0.cells.contains { $0.seedTest != nil } }
    guard !metrics.isEmpty else { return ReportSection(title: "metrics") }
    var section = ReportSection(title: "metrics")
    if metrics.count <= Self.mostColumns {
      let own = metrics.map { metric in
        Columns(
          metric.name + arrow(metric), metric.cells, isTested: metric.cells.contains { $0.test != nil },
          isSeedTested: metric.cells.contains { $0.seedTest != nil })
      }
      section.header = ["run"] + own.flatMap(\.header)
      section.rows = names.indices.map { row in [ReportCell(names[row])] + own.flatMap { $0.cells[row] } }
    } else {
      let own = names.indices.map { row in
        Columns(
          names[row], metrics.map { $0.cells[row] }, isTested: isTested && row > 0,
          isSeedTested: isSeedTested && row > 0, isReference: row == 0)
      }
      section.header = ["metric"] + own.flatMap(\.header)
      section.rows = metrics.indices.map { index in
        [ReportCell(metrics[index].name + arrow(metrics[index]))] + own.flatMap { $0.cells[index] }
      }
    }
    section.numbers = Set(1..<section.header.count)
    if names.count > 1 {
      section.lines.append("difference: to \(names[0]); ↑ higher is better, ↓ lower is better")
    }
    if metrics.contains(where: { $0.cells.contains { $0.sample?.deviation != nil } }) {
      section.lines.append("mean ± sample standard deviation over seeds")
    }
    if isTested {
      section.lines.append(
        "p: two-sided paired randomisation test of the queries' differences, averaged over seeds")
    }
    if metrics.contains(where: { $0.cells.contains { $0.seedTest != nil } }) {
      section.lines.append("p of seeds: two-sided t-test (Welch) of the figures of seeds")
    }
    if comparison.moreMetrics > 0 {
      let words = counted(comparison.moreMetrics, "more metric differs", "more metrics differ")
      section.lines.append("\(words); --all shows what there is")
    }
    return section
  }

  /// A line for each metric and type of query.
  private var types: ReportSection {
    let entries = comparison.metrics.flatMap { metric in metric.types.map { (metric, $0) } }
    guard !entries.isEmpty else { return ReportSection(title: "by type") }
    let own = names.indices.map { row in
      Columns(names[row], entries.map { $0.1.cells[row] }, isTested: row > 0, isReference: row == 0)
    }
    var section = ReportSection(title: "by type", header: ["by type", "type", "queries"] + own.flatMap(\.header))
    section.rows = entries.enumerated().map { index, entry in
      [ReportCell(entry.0.name + arrow(entry.0)), ReportCell(entry.1.type), ReportCell("\(entry.1.queries)")]
        + own.flatMap { $0.cells[index] }
    }
    section.numbers = Set(2..<section.header.count)
    return section
  }

  private func arrow(_ metric: RunComparison.Metric) -> String {
    switch metric.direction {
    case .higher: " ↑"
    case .lower: " ↓"
    case nil: ""
    }
  }

  private func lines(_ title: String, _ lines: [RunComparison.Line]) -> ReportSection {
    var section = ReportSection(title: title, header: [title] + names)
    section.rows = lines.filter { all ? !$0.values.joined().isEmpty : $0.differs }.map { line in
      var shown = excerpts(line.values.flatMap(\.self))[...]
      return [ReportCell(line.name)]
        + line.values.map { values in
          defer { shown = shown.dropFirst(values.count) }
          return ReportCell(shown.prefix(values.count).joined(separator: ", "))
        }
    }
    return section
  }

  /// Differences only: down to the first stage that differs, and any other that does not merely follow.
  private var lineage: ReportSection {
    var section = ReportSection(title: "lineage", header: ["lineage", "", "differs in"] + names)
    let stages = comparison.lineage
    let shown = stages.filter { all || $0.relation == .differs || $0.relation == .partial }
    guard all || !stages.allSatisfy({ $0.relation == .same }) else { return ReportSection(title: "lineage") }
    section.rows = shown.map { stage in
      let keys = stage.keys.map { keys in
        ReportCell(
          keys.isEmpty
            ? "–" : keys.count > 2 ? "\(keys.count) keys" : keys.map { String($0.prefix(8)) }.joined(separator: ", "))
      }
      return [
        ReportCell(stage.name), ReportCell(stage.relation.word), ReportCell(stage.components.joined(separator: ", ")),
      ] + keys
    }
    if !all {
      section.lines = [
        same, list("follow from these", .follows),
      ].compactMap { $0 }
    }
    return section
  }

  private var same: String? { list("the same", .same) }

  private func list(_ title: String, _ relation: RunComparison.Relation) -> String? {
    let names = comparison.lineage.filter { $0.relation == relation }.map(\.name)
    return names.isEmpty ? nil : "\(title): \(names.joined(separator: ", "))"
  }

  private var times: ReportSection {
    var section = ReportSection(title: "times", header: ["times"] + names, numbers: Set(1...names.count))
    let times = comparison.times
    func cells(_ seconds: [Double?]) -> [ReportCell] { seconds.map { ReportCell($0.map(formatted(seconds:)) ?? "") } }
    section.rows = times.filter { all || $0.differs }.map { [ReportCell($0.stage)] + cells($0.seconds) }
    if !section.rows.isEmpty {
      let sums = names.indices.map { row in times.reduce(0) { $0 + ($1.seconds[row] ?? 0) } }
      section.rows.append([ReportCell("all stages")] + cells(sums))
    }
    return section
  }
}

/// Values that stand side by side: the mean with its deviation, the difference, p.
private struct Columns {
  let header: [String]
  let cells: [[ReportCell]]

  init(
    _ name: String, _ cells: [RunComparison.Cell], isTested: Bool, isSeedTested: Bool = false, isReference: Bool = false
  ) {
    let isCompared = !isReference && cells.contains { $0.difference != nil }
    header =
      [name] + (isCompared ? ["difference"] : []) + (isCompared && isTested ? ["p"] : [])
      + (isCompared && isSeedTested ? ["p of seeds"] : [])
    self.cells = cells.map { cell in
      var row = [ReportCell(cell.sample.map(formatted(sample:)) ?? "")]
      if isCompared {
        let tone: ReportCell.Tone = cell.verdict == .better ? .better : cell.verdict == .worse ? .worse : .plain
        let word = cell.verdict == .unclear ? " no clear difference" : tone == .plain ? "" : " \(tone.rawValue)"
        row.append(ReportCell(cell.difference.map { formatted(difference: $0) + word } ?? "", tone))
        if isTested { row.append(ReportCell(cell.test.map { formatted(p: $0.p) } ?? "")) }
        if isSeedTested { row.append(ReportCell(cell.seedTest.map { formatted(p: $0.p) } ?? "")) }
      }
      return row
    }
  }
}

/// Gives values, each of which may be a whole script, as lines of about 80 characters that show where they differ.
func excerpts(_ texts: [String]) -> [String] {
  let lines = texts.map { text in
    Array(text.split(whereSeparator: \.isNewline).joined(separator: " ⏎ ").unicodeScalars)
  }
  let shortest = lines.map(\.count).min() ?? 0
  let difference = (0..<shortest).first { place in lines.contains { $0[place] != lines[0][place] } } ?? shortest
  let isDifferent = difference < shortest || lines.contains { $0.count > shortest }
  return lines.map { line in
    let start = line.count > 80 && isDifferent && difference > 60 ? difference - 20 : 0
    let shown = line.count > 80 ? line[start...].prefix(78) : line[...]
    let text = String(String.UnicodeScalarView(shown))
    return (start > 0 ? "…" : "") + text + (shown.endIndex < line.count ? "…" : "")
  }
}

extension RunComparison.Relation {
  var word: String {
    switch self {
    case .same: "same"
    case .differs: "differs"
    case .follows: "follows"
    case .partial: "not in all"
    }
  }
}
