/// An evaluation's results for each type of query, as its results file has them.
import Artifacts
import Foundation
import JSONText
import Lineage

struct TypeTable {
  /// As `evaluate` names them, and their headings.
  private static let columns = [
    ("queries", "queries"), ("accuracy@1", "top-1"), ("accuracy@5", "top-5"), ("mrr@10", "MRR@10"),
    ("ndcg@10", "nDCG@10"), ("mean_rank", "mean rank"),
  ]
  let text: String

  /// `nil` if the stage is no evaluation, its queries have no types, or its results are no longer in the store.
  init?(_ stage: RunReport.Stage) throws {
    guard stage.kind == "evaluate", let results = stage.outputs["results"],
      FileStatus.of(URL(filePath: results.path)) != nil
    else { return nil }
    let value = try Data(contentsOf: URL(filePath: results.path)).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    guard let types = value["by_type"]?.members, !types.isEmpty else { return nil }
    var table = Table(["type"] + Self.columns.map(\.1), numbers: Set(1...Self.columns.count))
    for type in types {
      table.add([type.key] + Self.columns.map { type.value[$0.0]?.double.map(formatted(metric:)) ?? "" })
    }
    text = table.text
  }
}
