/// What a run's evaluations found: side by side, and one of them by the type of its queries.
import Artifacts
import Foundation
import JSONText
import Lineage
import Pipelines

extension ReportSection {
  /// The metrics that kinds give a heading, of every stage that has some.
  package init(evaluationsOf report: RunReport, _ catalog: StageCatalog) {
    let evaluations = report.stages.compactMap { stage -> (stage: RunReport.Stage, columns: [MetricDescription])? in
      let columns = (catalog.describe(stage.kind)?.tabulated ?? []).filter { stage.metrics[$0.name] != nil }
      return columns.isEmpty ? nil : (stage, columns)
    }
    let columns = distinct(evaluations.flatMap(\.columns))
    self.init(
      title: "evaluation", header: ["evaluation"] + columns.compactMap(\.heading),
      rows: evaluations.map { stage, own in
        [ReportCell(stage.name)]
          + columns.map { ReportCell(own.contains($0) ? stage.metrics[$0.name].map(formatted(metric:)) ?? "" : "") }
      }, numbers: Set(0...columns.count).subtracting([0]))
  }

  /// The same metrics for each type of query, as the stage's results have them at `by_type`; empty if its kind has none,
  /// its queries have no types, or its results are no longer in the store.
  package init(typesOf stage: RunReport.Stage, _ catalog: StageCatalog) throws {
    self.init(title: "type")
    guard let kind = catalog.describe(stage.kind), !kind.tabulated.isEmpty,
      let output = kind.outputs.first(where: { $0.type == .results }).flatMap({ stage.outputs[$0.name] }),
      FileStatus.of(URL(filePath: output.path)) != nil
    else { return }
    let results = try Data(contentsOf: URL(filePath: output.path)).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    let types = results["by_type"]?.members ?? []
    let columns =
      [("queries", "queries")]
      + kind.tabulated.map { ($0.name, $0.heading ?? "") }.filter { name, _ in
        types.contains { $0.value[name]?.double != nil }
      }
    header = ["type"] + columns.map(\.1)
    rows = types.map { type in
      [ReportCell(type.key)] + columns.map { ReportCell(type.value[$0.0]?.double.map(formatted(metric:)) ?? "") }
    }
    numbers = Set(1...columns.count)
  }
}
