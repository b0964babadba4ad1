/// `evaluate`: how well a model, or BM25, finds the positives, and how well its scores separate them.
import Foundation
import JSONText
import Pipelines

struct Evaluate: Stage {
  static let kind = StageKind("evaluate", revision: 3)
  static let abstract = "Ranks passages for each query; metrics, score distributions, the worst queries, a picture."
  static let numeric = true
  static let outsideTools = ["gnuplot"]
  static let metrics =
    [
      MetricDescription(
        "accuracy@1", "Share of queries whose best passage is a positive.", .higher, heading: "top-1"),
      MetricDescription("accuracy@5", "Share of queries with a positive among five.", .higher, heading: "top-5"),
      MetricDescription("mrr@10", "Mean of 1/rank of the best positive, 0 beyond 10.", .higher, heading: "MRR@10"),
      MetricDescription(
        "ndcg@10", "Normalised discounted cumulative gain of the first ten.", .higher, heading: "nDCG@10",
        isHeadline: true),
      MetricDescription("mean_rank", "Mean rank of the best positive, from 1.", .lower, heading: "mean rank"),
      MetricDescription(
        "margin", "Mean normalised score of positives less that of negatives.", .higher, heading: "margin"),
      MetricDescription("accuracy@k", "Share of queries with a positive among k.", .higher),
      MetricDescription("precision@k", "Share of positives among the first k.", .higher),
      MetricDescription("recall@k", "Share of a query's positives that are among the first k.", .higher),
      MetricDescription("mrr", "Mean of 1/rank of the best positive.", .higher),
      MetricDescription("map@k", "Mean average precision, divided by min(k, positives).", .higher),
      MetricDescription("map_cut_100", "As trec_eval's: divided by the number of positives.", .higher),
      MetricDescription("auc", "Probability that a positive scores higher than a negative.", .higher),
      MetricDescription("positive_mean", "Mean normalised score of positives.", nil),
      MetricDescription("negative_mean", "Mean normalised score of negatives.", .lower),
      MetricDescription("score_variance", "Variance of all normalised scores.", nil),
      MetricDescription("uniformity", "ln mean exp(−2‖x − y‖²) over passages' vectors; lower is more even.", nil),
    ] + RewardParameters.metrics

  enum Method: String, ParameterChoice {
    /// The model at the port `model`: a bi-encoder, or a cross-encoder that reranks.
    case model
    /// No model: BM25 over characters and words.
    case bm25
  }

  @Input("Bi-encoder or cross-encoder.", as: .either, base: "base") var model: ModelFolder?
  @Input(
    "Queries with their positives and, if they have some, dedicated negatives; or a table of triplets; or a BEIR folder, or one of several. Of several sets, as a list or in a folder, each has its metrics as `SET.ndcg@10`, and the plain names are means over sets.",
    .evaluatedOn)
  var data: [EvaluationFile]
  @Input("Passages to search; default: a BEIR folder's own, else every passage of the groups.") var corpus: CorpusFile?
  @Input("Bi-encoder that finds what a cross-encoder reranks; default: BM25.", as: .biEncoder)
  var firstStage: ModelFolder?
  @Input("Your own pairs to score: records with `query` and `passage`.") var samples: RecordFile?
  @Input(
    "Answers to hold against those of `data`, which are records then: records with the `id` that they answer and `completion` (or `answer`); nothing is ranked."
  )
  var answers: AnswersFile?
  @Shared var tools: RewardTools
  @Parameter("What ranks.") var method = Method.model
  @Parameter("Passages of the first stage that a cross-encoder judges.", in: 1...100_000) var rerank = 50
  @Parameter("Divide the metrics by this too: `type`, or nothing.", role: .divides) var groupBy = GroupBy.type
  @Parameter(
    "Of a bi-encoder's vectors the first so many elements alone, too: [256, 64] gives `dim256.ndcg@10`, `dim64.ndcg@10`.",
    neutral: [])
  var dimensions: [Int] = []
  @Parameter("The picture's title.") var title = ""
  @Parameter(
    "What answers are scored by; absent: `grammar-answers`, without BERTScore unless a model is bound to `bert`.",
    neutral: .some(nil))
  var rewards: RewardList? = nil
  @Shared var reading: EvaluationReading
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output("Metrics and distributions.", file: "bi_encoder_evaluation_results.json") var results: ResultFile
  @Output("Every query with its rank and best passages, worst first.", file: "per_query.jsonl")
  var perQuery: PerQueryFile
  @Output("Distributions, margins, ranks, calibration.", file: "bi_encoder_evaluation_analysis.png")
  var picture: PictureFile

  enum GroupBy: String, ParameterChoice { case type, none }

  func problems() -> [String] {
    if answers != nil { return answerProblems }
    return reading.problems()
      + (rewards == nil ? [] : ["`rewards` are of answers: bind some to the port `answers`"])
      + (model == nil && method == .model ? [Self.lacksModel] : [])
      + (model == nil && samples != nil ? [Self.lacksModelForSamples] : [])
      + (dimensions.contains { $0 < 1 } ? ["`dimensions` are numbers of elements, from 1"] : [])
      + (method == .bm25 && !dimensions.isEmpty ? ["`dimensions` are of a model's vectors: BM25 has none"] : [])
  }

  private static let lacksModel = "`evaluate` needs a model at the port `model`, or `method: bm25`"
  private static let lacksModelForSamples = "`samples` needs a model at the port `model`"

  func run(_ context: StageContext) async throws {
    if let answers { return try evaluate(answers, context) }
    let sets = try reading.sets(data, context, for: Self.kind.name)
    let judges = try sets.map { set in
      let judge = try set.judge(corpus: corpus)
      if judge.missingNegatives > 0 {
        context.warn("[evaluate] \(judge.missingNegatives) given negatives are not in the corpus and are left out")
      }
      return judge
    }
    let ranker = try ranker(context)
    let writer = try LineWriter(perQuery.url)
    var several = SeveralSets()
    var queries = 0
    for (set, judge) in zip(sets, judges) {
      var evaluation = try evaluate(judge, ranker, isLast: set.name == sets.last?.name) {
        context.progress(queries + $0, of: judges.reduce(0) { $0 + $1.groups.count })
      }
      queries += judge.groups.count
      if groupBy == .none { evaluation.types = [] }
      for line in evaluation.perQuery(of: sets.count > 1 ? set.name : nil) { try writer.write(line) }
      if sets.count > 1 {
        several.add(evaluation, of: set.name)
      } else {
        evaluation.samples = try samples.map { try score($0, ranker, context) } ?? []
        try publish(
          evaluation.json, evaluation.picture(title: title), evaluation.metrics, evaluation.report, context)
      }
    }
    try writer.close()
    if sets.count > 1 {
      several.samples = try samples.map { try score($0, ranker, context) } ?? []
      try publish(several.json, several.picture(title: title), several.metrics, several.report, context)
    }
  }

  private func publish(
    _ json: JSONValue, _ picture: Picture, _ metrics: [(String, Double)], _ report: [String], _ context: StageContext
  ) throws {
    try Data(json.text(.document).utf8).write(to: results.url)
    try picture.write(to: self.picture.url, scratch: context.scratch)
    for (name, value) in metrics { context.metric(name, value) }
    for line in report { context.log("[evaluate] \(line)") }
  }

  private enum Ranker {
    case bm25
    case bi(any TextEncoding)
    /// Without a first stage it judges what BM25 finds.
    case cross(any PairScoring, first: (any TextEncoding)?)
  }

  private func ranker(_ context: StageContext) throws -> Ranker {
    method == .bm25 ? .bm25 : try loaded(context)
  }

  private func loaded(_ context: StageContext) throws -> Ranker {
    guard let model else { throw StageInputError(Self.lacksModel) }
    switch try loadModel(model, context, for: "evaluate") {
    case .bi(let encoder):
      if let wide = dimensions.first(where: { $0 > encoder.width }) {
        throw StageInputError("`dimensions` has \(wide), and the model's vectors have \(encoder.width) elements")
      }
      return .bi(encoder)
    case .cross(let scorer):
      if !dimensions.isEmpty { throw StageInputError("`dimensions` are of vectors, and a cross-encoder has none") }
      return .cross(scorer, first: try firstStage.map { try loadBiEncoder($0, context, for: "evaluate") })
    }
  }

  private func evaluate(
    _ judge: Judge, _ ranker: Ranker, isLast: Bool, progress: (Int) -> Void
  ) throws -> Evaluation {
    let lexical = { LexicalRetriever(queries: judge.groups.map(\.query), index: BM25(judge.pool.texts)) }
    switch ranker {
    case .bm25: return Evaluation(judge, "bm25", .unbounded, judge.judge(lexical(), progress: progress))
    case .bi(let encoder):
      let retriever = try DenseRetriever(encoder, judge.groups, judge.pool, isLast: isLast)
      var evaluation = Evaluation(judge, "bi-encoder", encoder.scale, judge.judge(retriever, progress: progress))
      evaluation.uniformity = retriever.passages.uniformity
      evaluation.prefixes = dimensions.map { width in
        let judgements = judge.judge(retriever.prefix(width, normalizing: encoder.scale == .cosine))
        return (width, rankingMetrics(judgements.map(\.ranking)))
      }
      return evaluation
    case .cross(let scorer, let first):
      let first: any Retriever =
        try first.map { try DenseRetriever($0, judge.groups, judge.pool, isLast: isLast) } ?? lexical()
      let judgements = try judge.rerank(first, by: scorer, depth: rerank, progress: progress)
      if isLast { scorer.finish() }
      return Evaluation(judge, "cross-encoder", .logit, judgements)
    }
  }

  /// Raw and normalised scores of the user's own pairs.
  private func score(_ samples: RecordFile, _ ranker: Ranker, _ context: StageContext) throws -> [SampleScore] {
    let file = try TextFile(samples.url)
    let columns = Columns([:])
    let pairs = try records(of: file).map {
      (
        query: try columns.text("query", or: ["question"], in: $0),
        passage: try columns.text("passage", or: ["context", "text"], in: $0)
      )
    }
    let (scores, scale): ([Float], ScoreScale)
    switch ranker {
    case .bm25: return try score(samples, loaded(context), context)
    case .bi(let encoder):
      let queries = try encoder.encode(pairs.map(\.query), as: .query) { "sample \($0 + 1)" }
      let passages = try encoder.encode(pairs.map(\.passage), as: .passage) { "sample \($0 + 1)" }
      scores = queries.products(with: passages)
      scale = encoder.scale
    case .cross(let scorer, _):
      scores = try scorer.score(pairs)
      scale = .logit
    }
    return zip(pairs, scores).map { SampleScore(query: $0.query, passage: $0.passage, raw: $1, scale: scale) }
  }
}

struct SampleScore {
  let query: String
  let passage: String
  let raw: Float
  let scale: ScoreScale
}
