/// `retrieve`: the best passages for every query, whether anybody knows what answers it or not.
import Basics
import Foundation
import Pipelines
import Tensors
import Training

struct Retrieve: Stage {
  static let kind = StageKind("retrieve", revision: 1)
  static let abstract =
    "Finds the best passages for each query, exactly: by a bi-encoder or BM25, reranked, calibrated."
  static let numeric = true
  static let rowsDependOn: [String]? = ["model", "base"]
  static let metrics = [
    MetricDescription("queries", "Queries that were searched for.", nil),
    MetricDescription("passages", "Passages that were searched.", nil),
    MetricDescription(
      "above_threshold", "Share of first hits whose probability reaches the calibration's threshold.", nil),
    MetricDescription("recall", "Share of the first `top_k` by floats that `vectors` of another type find.", .higher),
    MetricDescription("recall_unscored", "The same share, without rescoring.", .higher),
  ]

  enum Method: String, ParameterChoice {
    /// The cosines of the bi-encoder at the port `model`.
    case model
    /// No model: BM25 over characters and words.
    case bm25
  }

  @Input("Any records with a query; nothing has to say what answers it.") var queries: DataFile
  @Input("The passages to search: a corpus of `groups`, a grammar book, or any records with `id` and `text`.")
  var corpus: DataFile
  @Input("Bi-encoder.", as: .biEncoder, base: "base") var model: ModelFolder?
  @Input("Cross-encoder that judges the best passages again.", as: .crossEncoder) var reranker: ModelFolder?
  @Input("What `normalize` found for the model: makes probabilities of its scores.") var calibration: ResultFile?
  @Parameter("What finds passages; absent: the model if there is one, else BM25.") var method: Method?
  @Parameter("Passages of each query in the ranking.", in: 1...100_000) var topK = 10
  @Parameter("Passages of each query that a reranker judges.", in: 1...100_000) var rerank = 50
  @Parameter(
    "What vectors are compared as: float32, int8, whose ranges are those of the passages, or binary, by the bits that differ.",
    neutral: VectorType.float32)
  var vectors = VectorType.float32
  @Parameter("With int8 or binary, orders candidates anew by the query in floats.") var rescore = true
  @Parameter("Candidates that are rescored, as a multiple of the hits that are asked for.", in: 1...1000)
  var rescoreMultiplier = 2
  @Parameter("Your names for `query` and `id`: headers or dotted JSON paths.") var columns: [String: String] = [:]
  @Shared var reading: ReadingParameters
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output(
    "A line a hit, the best first: id (the query's), rank, passage, title, text, score (by what the model compares by, or "
      + "BM25), rerank_score (the reranker's logit), probability.", file: "ranking.jsonl")
  var ranking: RankingFile
  @Output("Vectors of passages and queries, as `embed` writes them; no rows without a model.")
  var embeddings: EmbeddingFolder

  func problems() -> [String] {
    reading.problems + Columns.problems(columns, known: GroupReader.queryColumnNames) + (misbound.map { [$0] } ?? [])
  }

  private var usesModel: Bool { method.map { $0 == .model } ?? (model != nil) }

  /// What is wrong with what is bound.
  private var misbound: String? {
    if usesModel && model == nil { return "`method: model` needs a model at the port `model`" }
    if vectors != .float32, !usesModel || calibration != nil {
      return "`vectors: \(vectors.rawValue)` compares a model's vectors, by scores that are no cosines: "
        + (usesModel ? "unbind `calibration`" : "bind a model")
    }
    return usesModel || calibration == nil
      ? nil : "`calibration` is of a model's scores, and BM25 finds the passages: unbind one of them"
  }

  func run(_ context: StageContext) async throws {
    let calibration = try self.calibration.map { try Calibration(contentsOf: $0.url) }
    if let misbound { throw StageInputError(misbound) }
    let (queries, passages) = try read(context)
    let device = try context.device
    var rankings = try search(queries, passages, usesModel ? model : nil, on: device, context)
    if let reranker {
      let scorer = try loadCrossEncoder(reranker, context, for: "retrieve")
      try rankings.rerank(queries, passages, by: scorer, depth: rerank) { context.progress($0, of: queries.count) }
      scorer.finish()
    }
    try rankings.write(to: ranking.url, most: topK, queries, passages, calibration)
    report(rankings, queries, passages, calibration, context)
  }

  /// The queries and the passages, as models see them.
  func read(_ context: StageContext) throws -> (queries: [Passage], passages: [RawPassage]) {
    let (_, builder) = try reading.read(
      columns: columns, data: queries.url, passages: corpus.url, context, for: "retrieve"
    ) { reader, builder in
      try reader.readPassages(corpus.url, into: &builder)
      try reader.readQueries(queries.url, into: &builder)
      return "queries"
    }
    guard !builder.passages.isEmpty else { throw DataError(corpus.url, "there are no passages to search") }
    guard builder.drafted > 0 else { throw DataError(queries.url, "there are no queries") }
    return (builder.queries, builder.passages)
  }

  private func search(
    _ queries: [Passage], _ passages: [RawPassage], _ model: ModelFolder?, on device: any Device,
    _ context: StageContext
  ) throws -> Rankings {
    let order = TieOrder(ids: passages.map(\.id))
    let most = reranker == nil ? topK : max(topK, rerank)
    func best(_ retriever: some Retriever) -> Rankings {
      Rankings(
        retriever.best(most, in: order, on: device) { context.progress($0, of: queries.count, detail: "searched") },
        in: order)
    }
    guard let model else {
      try EmbeddingMatrix.Writer(embeddings.url, ids: [], digests: [], width: 0).rows.close()
      return best(LexicalRetriever(queries: queries.map(\.text), index: BM25(passages.map(\.shown))))
    }
    let encoder = try BiEncoder(folder: model.url, base: model.base, on: device)
    context.tell(encoder.notices, "retrieve")
    let isCosine = encoder.similarity == .cosine
    let (count, computed) = try context.embed(
      { body in
        for passage in passages { try body(Passage(id: passage.id, text: passage.shown), .passage) }
        for query in queries { try body(query, .query) }
      }, by: encoder, normalizing: isCosine, to: embeddings.url)
    if computed > 0 { context.report(encoder.health, "retrieve") }
    context.log("[retrieve] Texts: \(count) | Width: \(encoder.width) | Reused: \(count - computed)")
    let width = encoder.width
    let matrix = try EmbeddingMatrix(embeddings.url, width: width)
    func embedded(_ rows: Range<Int>) throws -> Embeddings {
      Embeddings(device.tensor(try matrix.rows(rows)), normalizing: isCosine)
    }
    let sides = try (queries: embedded(passages.count..<count), passages: embedded(0..<passages.count))
    let exact = context.timing("float32") {
      best(DenseRetriever(queries: sides.queries, passages: sides.passages))
    }
    guard vectors != .float32 else { return exact }
    let codes = try VectorCodes(vectors, width: width) { body in body(sides.passages.array) }
    let (candidates, rankings) = context.timing(vectors.rawValue) {
      let coded = DenseRetriever(
        queries: sides.queries.compared(by: codes), passages: sides.passages.compared(by: codes))
      let candidates = coded.best(rescore ? most * rescoreMultiplier : most, in: order, on: device)
      let rescored =
        rescore
        ? codes.rescored(candidates, sides.queries, sides.passages, in: order).map { Array($0.prefix(most)) }
        : candidates
      return (candidates, Rankings(rescored, in: order))
    }
    for (name, found) in [("recall", rankings), ("recall_unscored", Rankings(candidates, in: order))] {
      let recall = found.recall(of: exact, at: topK)
      context.log("[retrieve] \(vectors.rawValue), \(name): \(decimal(recall))")
      context.metric(name, recall)
    }
    return rankings
  }

  private func report(
    _ rankings: Rankings, _ queries: [Passage], _ passages: [RawPassage], _ calibration: Calibration?,
    _ context: StageContext
  ) {
    let hits = min(topK, passages.count)
    let method = (usesModel ? "bi-encoder" : "bm25") + (reranker == nil ? "" : ", reranked")
    context.log(
      "[retrieve] \(method): \(queries.count) queries over \(passages.count) passages | Hits of each: \(hits)")
    context.metric("queries", Double(queries.count))
    context.metric("passages", Double(passages.count))
    if let calibration {
      let sure = rankings.queries.count { $0.prefix(topK).contains { calibration.isSure(of: $0.score) } }
      let share = Double(sure) / Double(queries.count)
      context.log(
        "[retrieve] A hit at or above the threshold \(decimal(calibration.threshold)): \(sure) queries, "
          + "\(decimal(share * 100, 1)) %")
      context.metric("above_threshold", share)
    }
    let strangers = usesModel ? 0 : rankings.queries.count { $0.allSatisfy { $0.score == 0 } }
    if strangers > 0 {
      context.warn(
        "[retrieve] queries without a word in common with any passage: \(strangers); their hits are in the order of ids"
      )
    }
  }
}

extension StageContext {
  /// Searches, and says how long that took.
  fileprivate func timing<Result>(_ name: String, _ search: () -> Result) -> Result {
    let start = ContinuousClock.now
    let result = search()
    log("[retrieve] \(name): searched in \(decimal((ContinuousClock.now - start).seconds, 3)) s")
    return result
  }
}
