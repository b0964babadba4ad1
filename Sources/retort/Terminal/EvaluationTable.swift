/// The small table at a run's end: the evaluations of the run side by side.
import Artifacts
import Lineage

struct EvaluationTable {
  /// Metric names as `evaluate` reports them, and their headings.
  private static let columns = [
    ("accuracy@1", "top-1"), ("accuracy@5", "top-5"), ("mrr@10", "MRR@10"), ("ndcg@10", "nDCG@10"),
    ("mean_rank", "mean rank"), ("margin", "margin"),
  ]
  let text: String

  /// `nil` if no stage of the run evaluated anything.
  init?(_ report: RunReport) {
    let evaluations = report.stages.filter { $0.kind == "evaluate" && !$0.metrics.isEmpty }
    guard !evaluations.isEmpty else { return nil }
    var table = Table(["evaluation"] + Self.columns.map(\.1), numbers: Set(1...Self.columns.count))
    for stage in evaluations {
      table.add([stage.name] + Self.columns.map { stage.metrics[$0.0].map(formatted(metric:)) ?? "" })
    }
    text = table.text
  }
}
