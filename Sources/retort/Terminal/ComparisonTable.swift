/// The table that an experiment's run ends with: its variants by the metrics that its `compare` names, best first.
import Artifacts
import Foundation
import Lineage
import Pipelines
import Stages

struct ComparisonTable {
  let text: String

  /// `nil` if the run is of no experiment that says what to compare, or nothing was measured.
  init?(ofRun run: Int, in journal: Journal, _ store: Store) throws {
    let variants = try journal.variants(of: run, store: store)
    guard variants.contains(where: { $0.comparison?.metrics.isEmpty == false }) else { return nil }
    var request = RunComparison.Request()
    request.ranks = true
    let comparison = try RunComparison(
      variants, request, catalog: .builtIn, perQuery: PerQueryReader(store).callAsFunction)
    guard comparison.metrics.contains(where: { $0.cells.contains { $0.sample != nil } }) else { return nil }
    let sections = [
      ComparisonReport(comparison, all: false).metrics, ReportSection(title: "warnings", lines: comparison.warnings),
      ReportSection(title: "notes", lines: comparison.notes),
    ]
    text = sections.text
  }
}

/// Finds what evaluations wrote of single queries; reads each file once.
final class PerQueryReader {
  private let store: Store
  private var files: [Digest: PerQueryScores] = [:]

  init(_ store: Store) { self.store = store }

  func callAsFunction(_ stage: RecordedStage, _ metric: String) throws -> PerQuery {
    let outputs = StageCatalog.builtIn.describe(stage.report.kind)?.outputs ?? []
    let port = outputs.first { $0.type == .perQuery }?.name
    guard let output = port.flatMap({ stage.report.outputs[$0] }) else { return .none }
    guard FileStatus.of(URL(filePath: output.path)) != nil else {
      return .gone("its results per query are no longer in the store")
    }
    let scores = try files[output.digest] ?? PerQueryScores(contentsOf: URL(filePath: output.path))
    files[output.digest] = scores
    return scores.values(of: metric).map { .values($0) } ?? .none
  }
}
