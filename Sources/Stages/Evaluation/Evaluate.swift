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
    "Queries with their positives and, if they have some, dedicated negatives; or a table of triplets; or a BEIR folder, or one of several. Of several sets, as a list or in a folder, each has its metrics as `SET.ndcg@10`, and the plain names are means over sets.",
    .evaluatedOn)
  var data: [EvaluationFile]
  @Input("Passages to search; default: a BEIR folder's own, else every passage of the groups.") var corpus: CorpusFile?
  @Input("Bi-encoder that finds what a cross-encoder reranks; default: BM25.", as: .biEncoder)
  var firstStage: ModelFolder?
  @Input("Your own pairs to score: records with `query` and `passage`.") var samples: RecordFile?
  @Parameter("What ranks.") var method = Method.model
  @Parameter("Passages of the first stage that a cross-encoder judges.", in: 1...100_000) var rerank = 50
  @Parameter("Divide the metrics by this too: `type`, or nothing.", role: .divides) var groupBy = GroupBy.type
  @Parameter(
    "Of a bi-encoder's vectors the first so many elements alone, too: [256, 64] gives `dim256.ndcg@10`, `dim64.ndcg@10`.",
    neutral: [])
  var dimensions: [Int] = []
  @Parameter("The part of a BEIR folder's judgements; absent: `test`.", neutral: .some(nil), role: .part)
  var part: String? = nil
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
      + (dimensions.contains { $0 < 1 } ? ["`dimensions` are numbers of elements, from 1"] : [])
      + (method == .bm25 && !dimensions.isEmpty ? ["`dimensions` are of a model's vectors: BM25 has none"] : [])
  }

  private static let lacksModel = "`evaluate` needs a model at the port `model`, or `method: bm25`"
  private static let lacksModelForSamples = "`samples` needs a model at the port `model`"

  func run(_ context: StageContext) async throws {
    let sets = try data.flatMap { try read($0, context) }
    for (place, set) in sets.enumerated() where sets[..<place].contains(where: { $0.name == set.name }) {
      throw StageInputError("two sets of `data` are called `\(set.name)`: their metrics need names of their own")
    }
    let judges = try sets.map { try judge($0, context) }
    let ranker = try ranker(context)
    let writer = try LineWriter(perQuery.url)
    var several = SeveralSets()
    var queries = 0
    for (set, judge) in zip(sets, judges) {
      var evaluation = try evaluate(judge, ranker) {
        context.progress(queries + $0, of: judges.reduce(0) { $0 + $1.groups.count })
      }
      queries += judge.groups.count
      if groupBy == .none { evaluation.types = [] }
      for line in evaluation.perQuery(of: sets.count > 1 ? set.name : nil) { try writer.write(line) }
      if sets.count > 1 {
        several.add(evaluation, of: set.name)
      } else {
        evaluation.samples = try samples.map { try score($0, ranker) } ?? []
        try publish(
          evaluation.json, evaluation.picture(title: title), evaluation.metrics, evaluation.report, context)
      }
    }
    try writer.close()
    if sets.count > 1 {
      several.samples = try samples.map { try score($0, ranker) } ?? []
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

  private func judge(_ set: EvaluationSet, _ context: StageContext) throws -> Judge {
    let groups = set.data.groups
    guard !groups.isEmpty else { throw DataError(set.file, "there are no queries to evaluate") }
    let pool =
      if let corpus { try PassagePool(Passage.read(corpus.url), file: corpus.url) } else if let own = set.corpus {
        try PassagePool(own, file: set.file)
      } else { try PassagePool(of: groups, file: set.file) }
    let judge = try Judge(set.data, pool: pool)
    if judge.missingNegatives > 0 {
      context.warn("[evaluate] \(judge.missingNegatives) given negatives are not in the corpus and are left out")
    }
    return judge
  }

  /// The sets that a member of `data` holds.
  private func read(_ file: EvaluationFile, _ context: StageContext) throws -> [EvaluationSet] {
    switch try file.kind() {
    case .folder:
      let folders = try BEIRFolder.all(in: file.url, part: part ?? "test")
      guard !folders.isEmpty else {
        throw DataError(
          file.url,
          "is no folder of BEIR: looked for corpus.jsonl, queries.jsonl and qrels/, in it and in the folders in it")
      }
      return try folders.map { folder in
        let builder = try read(file.url, form: "beir", context) { try $0.readBEIR(folder, into: &$1) }
        let data = EvaluationData(builder)
        return EvaluationSet(name: folder.name, file: folder.judgements, data: data, corpus: builder.finish().corpus)
      }
    case .groups:
      if queryTemplate != "{text}" || passageTemplate != "{text}" || !columns.isEmpty {
        context.warn("[evaluate] templates and `columns` are for tables; the `groups` stage gives groups their form")
      }
      return [
        EvaluationSet(name: file.name, file: file.url, data: EvaluationData(groups: try QueryGroup.read(file.url)))
      ]
    default:
      let builder = try read(file.url, form: "tuples", context) { try $0.readTuples(file.url, into: &$1) }
      return [EvaluationSet(name: file.name, file: file.url, data: EvaluationData(builder))]
    }
  }

  private func read(
    _ url: URL, form: String, _ context: StageContext, _ body: (GroupReader, inout GroupBuilder) throws -> Void
  ) throws -> GroupBuilder {
    let builder = try GroupReader.guessingIDs { ignored, conflicts in
      var reader = GroupReader(
        columns: Columns(columns, ignoring: ignored.queries), passageColumns: Columns([:], ignoring: ignored.passages),
        queryForm: try Template(queryTemplate), passageForm: try Template(passageTemplate))
      if conflicts.isEmpty { reader.context = context }
      var builder = GroupBuilder()
      try body(reader, &builder)
      if builder.drafted == 0, let reason = conflicts.first?.error ?? builder.gaps.first { throw reason }
      try reader.checkUse(form: form, data: url, passages: nil, builder, context, "evaluate")
      return builder
    }
    for warning in builder.gaps.warnings { context.warn("[evaluate] \(warning)") }
    return builder
  }

  private enum Ranker {
    case bm25
    case bi(any TextEncoding)
    /// Without a first stage it judges what BM25 finds.
    case cross(any PairScoring, first: (any TextEncoding)?)
  }

  private func ranker(_ context: StageContext) throws -> Ranker {
    if method == .bm25 { return .bm25 }
    guard let model else { throw StageInputError(Self.lacksModel) }
    switch try loadModel(model, base: base, context, for: "evaluate") {
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

  private func evaluate(_ judge: Judge, _ ranker: Ranker, progress: (Int) -> Void) throws -> Evaluation {
    let lexical = { LexicalRetriever(queries: judge.groups.map(\.query), index: BM25(judge.pool.texts)) }
    switch ranker {
    case .bm25: return Evaluation(judge, "bm25", .unbounded, judge.judge(lexical(), progress: progress))
    case .bi(let encoder):
      let retriever = try DenseRetriever(encoder, judge.groups, judge.pool)
      var evaluation = Evaluation(judge, "bi-encoder", encoder.scale, judge.judge(retriever, progress: progress))
      evaluation.uniformity = retriever.passages.uniformity
      evaluation.prefixes = dimensions.map { width in
        let judgements = judge.judge(retriever.prefix(width, normalizing: encoder.scale == .cosine))
        return (width, rankingMetrics(judgements.map(\.ranking)))
      }
      return evaluation
    case .cross(let scorer, let first):
      let first: any Retriever = try first.map { try DenseRetriever($0, judge.groups, judge.pool) } ?? lexical()
      let judgements = try judge.rerank(first, by: scorer, depth: rerank, progress: progress)
      scorer.finish()
      return Evaluation(judge, "cross-encoder", .logit, judgements)
    }
  }

  /// Raw and normalised scores of the user's own pairs.
  private func score(_ samples: RecordFile, _ ranker: Ranker) throws -> [SampleScore] {
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
    case .bm25: throw StageInputError(Self.lacksModelForSamples)
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
