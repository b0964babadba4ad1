/// What declarations say of metrics and roles.
import Testing

@testable import Pipelines

@Suite struct StageMeaningTests {
  private func stage(_ metrics: [MetricDescription]) -> StageDescription {
    StageDescription(
      kind: StageKind("s", revision: 1), abstract: "", numeric: false, outsideTools: [], usesSeed: false,
      metrics: metrics, inputs: [], parameters: [], outputs: [])
  }

  @Test func `a declared metric with @k stands for every number there, and a more exact one before it wins`() {
    let stage = stage([
      MetricDescription("recall@1", "first", .higher), MetricDescription("recall@k", "any", .lower),
    ])
    #expect(stage.metric("recall@1")?.documentation == "first")
    #expect(stage.metric("recall@100")?.documentation == "any")
    for name in ["recall", "recall@", "recall@ten", "recall@1.5", "xrecall@1"] { #expect(stage.metric(name) == nil) }
  }

  @Test func `names of a command's metrics tell their direction, or nothing`() {
    let catalog = StageCatalog([])
    func direction(_ name: String) -> MetricDirection? { catalog.direction(ofMetric: name, kind: "cmd") }
    let higher = [
      "ndcg@10", "accuracy@1", "mrr", "recall@100", "map_cut_100", "margin", "auc", "validation_ndcg@10", "raw_margin",
      "precision@5", "validation_ap",
    ]
    for name in higher { #expect(direction(name) == .higher, "\(name)") }
    for name in ["loss", "validation_loss", "mean_rank"] { #expect(direction(name) == .lower, "\(name)") }
    for name in ["uniformity", "positive_mean", "lines", "mapping_chapters", "score_variance"] {
      #expect(direction(name) == nil, "\(name)")
    }
  }

  @Test func `a command's ports named train and validation mean what they are called, others nothing`() {
    let command = StageDescription.command(inputs: ["train", "validation", "data"])
    #expect(command.inputs(.learnsFrom) == ["train"] && command.inputs(.choosesBy) == ["validation"])
    #expect(!command.evaluates)
  }
}
