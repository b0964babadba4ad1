/// `guard`: a trained model, handed on, and whether it forgot what it could do before.
import Basics
import Foundation
import Pipelines

struct Guard: Stage {
  static let kind = StageKind("guard", revision: 1)
  static let abstract = "Hands a trained model on, and says whether it fell on general data by more than it may."
  static let numeric = true
  static let metrics = [
    MetricDescription("ndcg@10", "The model's nDCG@10; of several sets the mean.", .higher),
    MetricDescription("before_ndcg@10", "The same before training.", .higher),
    MetricDescription("fall", "How far the first is below the second.", .lower),
  ]

  @Input("Bi-encoder after training.", as: .biEncoder, base: "base") var model: ModelFolder
  @Input("The same before training.", as: .biEncoder) var before: ModelFolder
  @Input("General queries, of other things than the training's: as `evaluate` takes them.", .choosesBy)
  var data: [EvaluationFile]
  @Input("Passages to search; default: a BEIR folder's own, else every passage of the groups.") var corpus: CorpusFile?
  @Shared var reading: EvaluationReading
  @Parameter("The most that nDCG@10 may fall, of several sets its mean.", in: 0...1) var maxFall = 0.02
  @Output(
    "The model as it came. `publish: {path: PATH, if: not_worse}` here withholds it if it fell by more than `max_fall`."
  )
  var guarded: ModelFolder

  func problems() -> [String] { reading.problems() }

  func run(_ context: StageContext) async throws {
    let judges = try reading.sets(data, context, for: Self.kind.name).map { try $0.judge(corpus: corpus) }
    let start = try scores(of: before, judges, context)
    let end = try scores(of: model, judges, context)
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let (from, to) = (mean(start.map(mean)), mean(end.map(mean)))
    let test = RandomisationTest(differences: zip(start.joined(), end.joined()).map { $1 - $0 })
    var verdict = Verdict(
      metric: "ndcg@10", start: from, end: to, queries: test.pairs, differing: test.differing, p: test.p,
      against: .start)
    if from - to > maxFall { verdict.outcome = .worse } else if verdict.outcome == .worse { verdict.outcome = .unclear }
    context.metric("ndcg@10", to)
    context.metric("before_ndcg@10", from)
    context.metric("fall", from - to)
    context.judge(verdict)
    context.log("[guard] nDCG@10 on general data: \(decimal(from)) before training, \(decimal(to)) after it")
    if verdict.outcome == .worse {
      context.warn(
        "[guard] the model forgot: its nDCG@10 fell by \(decimal(from - to)), more than `max_fall: \(maxFall)`; train "
          + "with a lower rate, for fewer epochs, with LoRA, or with general data among the rest")
    }
    try model.copy(to: guarded.url)
  }

  /// nDCG@10 of each query, set by set.
  private func scores(of model: ModelFolder, _ judges: [Judge], _ context: StageContext) throws -> [[Double]] {
    let encoder = try loadBiEncoder(model, context, for: Self.kind.name)
    return try judges.enumerated().map { place, judge in
      let retriever = try DenseRetriever(encoder, judge.groups, judge.pool, isLast: place == judges.count - 1)
      return judge.judge(retriever).map { $0.ranking.ndcg(10) }
    }
  }
}
