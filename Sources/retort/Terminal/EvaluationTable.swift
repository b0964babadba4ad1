/// The small table at a run's end: the evaluations of the run side by side.
import Artifacts
import Lineage
import Pipelines

struct EvaluationTable {
  let text: String

  /// `nil` if no stage of the run has a metric that its kind gives a heading.
  init?(_ report: RunReport, _ catalog: StageCatalog = .builtIn) {
    let evaluations = report.stages.compactMap { stage -> (stage: RunReport.Stage, columns: [MetricDescription])? in
      let columns = (catalog.describe(stage.kind)?.tabulated ?? []).filter { stage.metrics[$0.name] != nil }
      return columns.isEmpty ? nil : (stage, columns)
    }
    let columns = distinct(evaluations.flatMap(\.columns))
    guard !columns.isEmpty else { return nil }
    var table = Table(["evaluation"] + columns.compactMap(\.heading), numbers: Set(1...columns.count))
    for (stage, own) in evaluations {
      table.add(
        [stage.name]
          + columns.map { own.contains($0) ? stage.metrics[$0.name].map(formatted(metric:)) ?? "" : "" })
    }
    text = table.text
  }
}
