/// `evaluate`: how well a model, or BM25, finds the positives, and how well its scores separate them.
import Foundation
import JSONText
import Pipelines

struct Evaluate: Stage {
  static let kind = StageKind("evaluate", revision: 3)
  static let abstract = "Ranks passages for each query; metrics, score distributions, the worst queries, a picture."
  static let numeric = true
  static let outsideTools = ["gnuplot"]
  static let metrics = [
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
  ]

  enum Method: String, ParameterChoice {
    /// The model at the port `model`: a bi-encoder, or a cross-encoder that reranks.
    case model
    /// No model: BM25 over characters and words.
    case bm25
  }

  @Input("Bi-encoder or cross-encoder.", as: .either, base: "base") var model: ModelFolder?
  @Input("What a `model` changes that is an adapter of PEFT, or the encoder of one that is best_model.pt.") var base:
    ModelFolder?
  @Input(
    "Queries with their positives and, if they have some, dedicated negatives; or a table of triplets.", .evaluatedOn)
  var data: EvaluationFile
  @Input("Passages to search; default: every passage of the groups.") var corpus: CorpusFile?
  @Input("Bi-encoder that finds what a cross-encoder reranks; default: BM25.", as: .biEncoder)
  var firstStage: ModelFolder?
  @Input("Your own pairs to score: records with `query` and `passage`.") var samples: RecordFile?
  @Parameter("What ranks.") var method = Method.model
  @Parameter("Passages of the first stage that a cross-encoder judges.", in: 1...100_000) var rerank = 50
  @Parameter("Divide the metrics by this too: `type`, or nothing.", role: .divides) var groupBy = GroupBy.type
  @Parameter("The picture's title.") var title = ""
  @Parameter("Your names for a table's `query`, `positive`, `negative`.") var columns: [String: String] = [:]
  @Parameter("The form of a table's query, with `{text}`.") var queryTemplate = "{text}"
  @Parameter("The form of a table's passages, with `{text}`.") var passageTemplate = "{text}"
  @Output("Metrics and distributions.", file: "bi_encoder_evaluation_results.json") var results: ResultFile
  @Output("Every query with its rank and best passages, worst first.", file: "per_query.jsonl")
  var perQuery: PerQueryFile
  @Output("Distributions, margins, ranks, calibration.", file: "bi_encoder_evaluation_analysis.png")
  var picture: PictureFile

  enum GroupBy: String, ParameterChoice { case type, none }

  func problems() -> [String] {
    Template.problems(queryTemplate, named: "query_template")
      + Template.problems(passageTemplate, named: "passage_template")
      + Columns.problems(columns, known: GroupReader.columnNames)
      + (model == nil && method == .model ? [Self.lacksModel] : [])
      + (model == nil && samples != nil ? [Self.lacksModelForSamples] : [])
  }

  private static let lacksModel = "`evaluate` needs a model at the port `model`, or `method: bm25`"
  private static let lacksModelForSamples = "`samples` needs a model at the port `model`"

  func run(_ context: StageContext) async throws {
    let data = try read(context)
    guard !data.groups.isEmpty else { throw DataError(self.data.url, "there are no queries to evaluate") }
    let pool =
      try corpus.map { try PassagePool(Passage.read($0.url), file: $0.url) }
      ?? PassagePool(of: data.groups, file: self.data.url)
    let judge = try Judge(data, pool: pool)
    if judge.missingNegatives > 0 {
      context.warn("[evaluate] \(judge.missingNegatives) given negatives are not in the corpus and are left out")
    }
    var evaluation = try evaluate(judge, context)
    evaluation.samples = try samples.map { try score($0, context) } ?? []
    if groupBy == .none { evaluation.types = [] }

    try Data(evaluation.json.text(.document).utf8).write(to: results.url)
    let writer = try LineWriter(perQuery.url)
    for line in evaluation.perQuery { try writer.write(line) }
    try writer.close()
    try evaluation.picture(title: title).write(to: picture.url, scratch: context.scratch)
    for (name, value) in evaluation.metrics { context.metric(name, value) }
    for line in evaluation.report { context.log("[evaluate] \(line)") }
  }

  private func read(_ context: StageContext) throws -> EvaluationData {
    if try data.type() == .groups {
      if queryTemplate != "{text}" || passageTemplate != "{text}" || !columns.isEmpty {
        context.warn("[evaluate] templates and `columns` are for tables; the `groups` stage gives groups their form")
      }
      return EvaluationData(groups: try QueryGroup.read(data.url))
    }
    let builder = try GroupReader.guessingIDs { ignored, conflicts in
      var reader = GroupReader(
        columns: Columns(columns, ignoring: ignored.queries), passageColumns: Columns([:], ignoring: ignored.passages),
        queryForm: try Template(queryTemplate), passageForm: try Template(passageTemplate))
      if conflicts.isEmpty { reader.context = context }
      var builder = GroupBuilder()
      try reader.readTuples(data.url, into: &builder)
      if builder.drafted == 0, let reason = conflicts.first?.error ?? builder.gaps.first { throw reason }
      try reader.checkUse(form: "tuples", data: data.url, passages: nil, builder, context, "evaluate")
      return builder
    }
    for warning in builder.gaps.warnings { context.warn("[evaluate] \(warning)") }
    return EvaluationData(builder)
  }

  private func evaluate(_ judge: Judge, _ context: StageContext) throws -> Evaluation {
    let groups = judge.groups
    let lexical = { LexicalRetriever(queries: groups.map(\.query), index: BM25(judge.pool.texts)) }
    let progress = { context.progress($0, of: groups.count) }
    if method == .bm25 {
      return Evaluation(judge, "bm25", .unbounded, judge.judge(lexical(), progress: progress))
    }
    guard let model else { throw StageInputError(Self.lacksModel) }
    switch try loadModel(model, base: base, context, for: "evaluate") {
    case .bi(let encoder):
      let retriever = try dense(encoder, judge)
      var evaluation = Evaluation(judge, "bi-encoder", encoder.scale, judge.judge(retriever, progress: progress))
      evaluation.uniformity = retriever.passages.uniformity
      return evaluation
    case .cross(let scorer):
      let first: any Retriever =
        if let firstStage { try dense(loadBiEncoder(firstStage, context, for: "evaluate"), judge) } else { lexical() }
      let judgements = try judge.rerank(first, by: scorer, depth: rerank, progress: progress)
      scorer.finish()
      return Evaluation(judge, "cross-encoder", .logit, judgements)
    }
  }

  private func dense(_ encoder: any TextEncoding, _ judge: Judge) throws -> DenseRetriever {
    try DenseRetriever(encoder, judge.groups, judge.pool)
  }

  /// Raw and normalised scores of the user's own pairs.
  private func score(_ samples: RecordFile, _ context: StageContext) throws -> [SampleScore] {
    guard let model else { throw StageInputError(Self.lacksModelForSamples) }
    let file = try TextFile(samples.url)
    let columns = Columns([:])
    let pairs = try records(of: file).map {
      (
        query: try columns.text("query", or: ["question"], in: $0),
        passage: try columns.text("passage", or: ["context", "text"], in: $0)
      )
    }
    let (scores, scale): ([Float], ScoreScale)
    switch try loadModel(model, base: base, context, for: "evaluate samples") {
    case .bi(let encoder):
      let queries = try encoder.encode(pairs.map(\.query), as: .query) { "sample \($0 + 1)" }
      let passages = try encoder.encode(pairs.map(\.passage), as: .passage) { "sample \($0 + 1)" }
      scores = queries.products(with: passages)
      scale = encoder.scale
    case .cross(let scorer):
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
