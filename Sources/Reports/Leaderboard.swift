/// The lines of `retort runs` as a table.
import Foundation
import Lineage
import Pipelines

/// Lines of `runs`: a column for each headline metric while these are few, and for what was asked for.
extension ReportSection {
  package init(_ lines: [RunLine]) {
    let mostColumns = 4
    // A headline has its column already.
    let asked = (lines.first?.columns.map(\.name) ?? []).filter { name in
      !lines.allSatisfy { $0.headline.contains { $0.metric == name || $0.metric.hasSuffix(".\(name)") } }
    }
    let metrics = distinct(lines.flatMap { $0.headline.map(\.metric) })
    let isWide = metrics.count > mostColumns
    let headings = isWide ? ["headline"] : metrics
    let hasLabels = lines.contains { !$0.labels.isEmpty }
    let hasNotes = lines.contains { $0.note != nil }
    let header =
      ["run"] + (hasLabels ? ["name"] : []) + asked + headings + ["pipeline", "state", "started", "time", "stages"]
      + (hasNotes ? ["note"] : [])
    let first = hasLabels ? 2 : 1
    let numbers = Set(first..<(first + asked.count + (isWide ? 0 : metrics.count)))
    self.init(title: "run", header: header, numbers: numbers.union([header.count - (hasNotes ? 3 : 2)]))
    rows = lines.map { line in
      let values = line.headline.map { ($0.metric, Self.range($0.values)) }
      let shown =
        isWide
        ? [values.prefix(mostColumns).map { "\($0) \($1)" }.joined(separator: "  ")]
        : metrics.map { metric in values.first { $0.0 == metric }?.1 ?? "" }
      let stages = line.stages.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
      let cells =
        [line.id] + (hasLabels ? [line.labels.joined(separator: ", ")] : [])
        + line.columns.filter { asked.contains($0.name) }.map { $0.values.map(Self.shown).joined(separator: ", ") }
        + shown
        + [
          line.pipeline, line.state, line.started.formatted(.iso8601), line.seconds.map(formatted(seconds:)) ?? "",
          stages,
        ] + (hasNotes ? [line.note.map(Self.oneLine) ?? ""] : [])
      return cells.map { ReportCell($0) }
    }
  }

  /// `0.61–0.72` of several.
  private static func range(_ values: [Double]) -> String {
    let texts = [values.min(), values.max()].compactMap { $0.map(formatted(metric:)) }
    return distinct(texts).joined(separator: "–")
  }

  private static func shown(_ value: ParameterValue) -> String {
    if case .double(let number) = value, number != number.rounded() { return "\(Float(number))" }
    return value.shown
  }

  private static func oneLine(_ note: String) -> String {
    let line = note.split(whereSeparator: \.isNewline).joined(separator: " ⏎ ")
    return line.count > 60 ? line.prefix(59) + "…" : line
  }
}

extension RunLine {
  /// What people call it.
  fileprivate var labels: [String] { [name].compactMap { $0 } + tags }
}
