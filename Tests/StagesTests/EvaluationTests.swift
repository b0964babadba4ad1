import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

/// Fixtures/stages/metrics.json, made by Fixtures/generate/metrics.py.
private struct Golden: Decodable {
  struct Dense: Decodable {
    let queries: [[Float]]
    let passages: [[Float]]
    let relevant: [[Int]]
    let expected: [String: Double]
    struct Separation: Decodable {
      let auc: Double
      let margin: Double
      let variance: Double
      let quantiles: [Double]
      let uniformity: Double
    }
    let separation: Separation
  }
  struct Tied: Decodable {
    let scores: [[Float]]
    let relevant: [[Int]]
    let expected: [String: Double]
  }
  struct Calibration: Decodable {
    let positives: [Double]
    let negatives: [Double]
    let a: Double
    let b: Double
    let zscore: [[Double]]
  }
  let sentenceTransformers: Dense
  let trecEval: Tied
  let calibration: Calibration

  static func read() throws -> Golden {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Golden.self, from: Data(contentsOf: fixtures.appending(path: "stages/metrics.json")))
  }
}

struct FixedRetriever: Retriever {
  let scores: [[Float]]
  let queriesAtOnce = 1
  var queryCount: Int { scores.count }
  var blocks: [Range<Int>] { [0..<scores[0].count] }
  func scores(of queries: Range<Int>, block: Int) -> [Float] { Array(scores[queries].joined()) }
}

private struct FixedScorer: PairScoring {
  let score: @Sendable (String, String) -> Float
  func score(_ pairs: [(query: String, passage: String)]) -> [Float] { pairs.map { score($0.query, $0.passage) } }
  func finish() {}
}

private func judge(_ relevant: [[Int]], passages count: Int) throws -> Judge {
  let passages = (0..<count).map { Passage(id: "p\($0)", text: "\($0)") }
  let groups = relevant.enumerated().map { number, gold in
    QueryGroup(id: "q\(number)", query: "\(number)", positives: gold.map { passages[$0] })
  }
  return try Judge(EvaluationData(groups: groups), pool: PassagePool(passages, file: URL(filePath: "corpus")))
}

/// The names of metrics that differ by more than 1e-6 from what is expected.
private func differing(_ evaluation: Evaluation, _ expected: [String: Double]) -> [String] {
  let values = Dictionary(uniqueKeysWithValues: evaluation.ranking)
  return expected.filter { abs((values[$0.key] ?? .infinity) - $0.value) > 1e-6 }.map {
    "\($0.key) \(values[$0.key] ?? .nan) \($0.value)"
  }
}

@Suite struct EvaluationTests {
  @Test func `metrics equal sentence-transformers' on a run without ties`() throws {
    let golden = try Golden.read().sentenceTransformers
    let judge = try judge(golden.relevant, passages: golden.passages.count)
    let retriever = DenseRetriever(
      queries: Embeddings(golden.queries.flatMap(\.self), width: 6),
      passages: Embeddings(golden.passages.flatMap(\.self), width: 6))
    let evaluation = Evaluation(judge, "bi-encoder", .cosine, judge.judge(retriever))
    #expect(differing(evaluation, golden.expected) == [])

    let pool = try #require(evaluation.pools.first)
    let expected = golden.separation
    #expect(pool.name == "corpus")
    #expect(abs(pool.auc - expected.auc) < 1e-9)
    #expect(abs(pool.margin - expected.margin) < 1e-6)
    #expect(abs(pool.variance - expected.variance) < 1e-6)
    #expect(zip(pool.negative.quantiles, expected.quantiles).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(abs(retriever.passages.uniformity! - expected.uniformity) < 1e-5)

    let folder = try ScratchFolder()
    try evaluation.picture(title: "").write(to: folder.url.appending(path: "p.png"), scratch: folder.url)
  }

  @Test func `metrics equal trec_eval's with ties`() throws {
    let golden = try Golden.read().trecEval
    let judge = try judge(golden.relevant, passages: golden.scores[0].count)
    let evaluation = Evaluation(judge, "bm25", .unbounded, judge.judge(FixedRetriever(scores: golden.scores)))
    #expect(differing(evaluation, golden.expected) == [])
  }

  @Test func `a cross-encoder reorders the first stage's best and leaves the rest below them`() throws {
    let judge = try judge([[2], [5]], passages: 6)
    let first = FixedRetriever(scores: [[6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    let judgements = try judge.rerank(first, by: FixedScorer { query, passage in Float(passage)! }, depth: 3)
    #expect(judgements.map(\.ranking.ranks) == [[1], [6]])
    #expect(judgements[0].top.map(\.passage) == [2, 1, 0])
    #expect(judgements[1].positives[0].score == 5)
  }

  @Test func `calibration equals scikit-learn's sigmoid, and z-scores the normal distribution`() throws {
    let golden = try Golden.read().calibration
    let map = try Normalization.fittedSigmoid(
      positives: golden.positives, negatives: golden.negatives, balanced: false)
    let fitted = if case .calibrated(let a, let b) = map { (a: a, b: b) } else { nil as (a: Double, b: Double)? }
    let (a, b) = try #require(fitted)
    #expect(abs(a - golden.a) < 1e-3 && abs(b - golden.b) < 1e-3)
    let zscore = Normalization.zscore(mean: 2, deviation: 4)
    #expect(golden.zscore.allSatisfy { abs(zscore(2 + 4 * $0[0]) - $0[1]) < 1e-12 })
  }

  /// Where the likelihood is largest, the weighted sum of p − target is 0.
  @Test func `balanced calibration lets both classes weigh the same`() throws {
    let golden = try Golden.read().calibration
    let (positives, negatives) = (golden.positives, golden.negatives)
    let map = try Normalization.fittedSigmoid(positives: positives, negatives: negatives, balanced: true)
    func mean(_ scores: [Double]) -> Double { scores.reduce(0) { $0 + map($1) } / Double(scores.count) }
    #expect(abs(mean(positives) + mean(negatives) - (31.0 / 32 + 1.0 / 92)) < 1e-6)
  }

  @Test func `separated pairs get the threshold between them`() {
    let pool = ScorePool(name: "given", positives: [0.9, 0.7], negatives: [0.1, 0.5, 0.3])
    #expect(pool.auc == 1 && pool.bestThreshold == 0.6 && pool.balancedAccuracy(0.6) == 1)
    #expect(abs(pool.margin - 0.5) < 1e-12)
  }

  @Test func `a report says what normalising did and whether the targets are met`() throws {
    let pairs = PairScores(pool: "given", queries: [([0.9], [0.1, 0.2]), ([0.7], [0.3])])
    let map = try Normalization.fittedMinmax(pairs.positives + pairs.negatives)
    #expect(map == .minmax(min: 0.1, max: 0.9))
    let report = NormalizationReport(
      method: "minmax", map: map, test: pairs, fitting: pairs, targetNegativeMean: 0.15, targetMargin: 0.7)
    let after = try #require(report.json["after"])
    #expect(after["negatives"]?["mean"]?.scalarText.flatMap(Double.init).map { abs($0 - 0.125) < 1e-12 } == true)
    #expect(report.json["targets"]?["negative_mean"]?["met"] == .bool(true))
    #expect(report.json["targets"]?["margin"]?["met"] == .bool(true))
    #expect(report.json["ranking"]?["kept"] == .bool(true))
    let folder = try ScratchFolder()
    try report.picture(title: "").write(to: folder.url.appending(path: "p.png"), scratch: folder.url)
    let inverted = NormalizationReport(
      method: "calibrated", map: .calibrated(a: -1, b: 0), test: pairs, fitting: nil, targetNegativeMean: 0.15,
      targetMargin: 0.7)
    #expect(inverted.warnings.contains { $0.hasPrefix("normalising made the ranking worse") })
  }

  @Test func `BM25 is evaluated without a model, worst query first, with a picture that is the same each time`()
    async throws
  {
    let run = try StageRun()
    try run.folder.write(
      #"{"id":"good","query":"고양이","positives":[{"id":"a","text":"고양이가 잔다"}],"negatives":[{"id":"b","text":"개가 짖는다"}],"type":"선택형"}"#
        + "\n" + #"{"id":"bad","query":"잔다","positives":[{"id":"b","text":"개가 짖는다"}],"negatives":[],"type":"교정형"}"#,
      to: "groups.jsonl")
    try await run.run(
      Evaluate.self, inputs: ["data": "groups.jsonl"], with: ["method": .string("bm25"), "title": .string("맞춤법 ‘평가’")])
    #expect(run.metric("accuracy@1") == 0.5 && run.metric("mean_rank") == 1.5)
    let lines = try run.lines("per_query")
    #expect(lines[0].hasPrefix(#"{"id":"bad","query":"잔다","type":"교정형","rank":2,"margin":null,"gold":[{"id":"b","#))
    #expect(lines[0].contains(#""top":[{"id":"a","text":"고양이가 잔다","score":0."#))
    let results = try String(contentsOf: run.folder.url.appending(path: "results"), encoding: .utf8)
    #expect(results.contains(#""method": "bm25""#) && results.contains(#""선택형": {"#))
    let picture = try Data(contentsOf: run.folder.url.appending(path: "picture"))
    #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    try await run.run(
      Evaluate.self, inputs: ["data": "groups.jsonl"], with: ["method": .string("bm25"), "title": .string("맞춤법 ‘평가’")])
    #expect(try Data(contentsOf: run.folder.url.appending(path: "picture")) == picture)
  }

  @Test func `the metrics are the means of what each query is read back with`() async throws {
    let run = try StageRun()
    let words = (0..<12).map { "w\($0 % 5)x w\($0 * 7 % 11)y" }
    let passages = words.enumerated().map { #"{"id":"p\#($0)","text":"\#($1)"}"# }
    // Each query is the text of one of its two positives, or of a passage that answers another one.
    let groups = words.indices.map { number in
      let positives = [number, (number + 5) % 12].map { passages[$0] }.joined(separator: ",")
      let query = words[(number + number % 3) % 12]
      return #"{"id":"q\#(number)","query":"\#(query)","positives":[\#(positives)],"negatives":[]}"#
    }
    try run.folder.write(groups.joined(separator: "\n"), to: "groups.jsonl")
    try run.folder.write(passages.joined(separator: "\n"), to: "corpus.jsonl")
    try await run.run(
      Evaluate.self, inputs: ["data": "groups.jsonl", "corpus": "corpus.jsonl"], with: ["method": .string("bm25")])
    let scores = try PerQueryScores(contentsOf: run.folder.url.appending(path: "per_query"))
    for metric in ["accuracy@1", "precision@3", "recall@5", "mrr@10", "mrr", "ndcg@10", "map@100", "mean_rank"] {
      let values = try #require(scores.values(of: metric))
      #expect(values.count == 12)
      let mean = values.values.reduce(0, +) / 12
      #expect(abs(mean - (run.metric(metric) ?? .nan)) < 1e-12, "\(metric)")
    }
    #expect(Set(scores.values(of: "mrr")?.values.map { $0 } ?? []).count > 2)
    #expect(scores.values(of: "auc") == nil && scores.values(of: "margin") == nil)
    let broken = try run.folder.write(#"{"id":"q1","gold":[{"id":"p"}]}"#, to: "broken")
    let message = await failure { try PerQueryScores(contentsOf: broken) }
    #expect(message.hasPrefix("broken:1"), "\(message)")
  }

  @Test func `a positive that the corpus lacks is an error that names it`() async throws {
    let run = try StageRun()
    try run.folder.write(
      #"{"id":"q","query":"x","positives":[{"id":"a","text":"y"}],"negatives":[]}"#, to: "groups.jsonl")
    try run.folder.write(#"{"id":"b","text":"z"}"#, to: "corpus.jsonl")
    #expect(
      await failure {
        try await run.run(
          Evaluate.self, inputs: ["data": "groups.jsonl", "corpus": "corpus.jsonl"], with: ["method": .string("bm25")])
      } == "the positive `a` of query `q` is not in the corpus; leave `corpus` out to search the groups' own passages")
  }

  @Test func `queries that share an instruction are shown from where they differ`() {
    let choose = "다음 중 옳은 것을 고르시오. "
    let correct = "밑줄 친 말을 바르게 고치시오. "
    let queries = (0..<9).map { choose + "낱말\($0) 넣기" } + (0..<9).map { correct + "문장\($0)" } + ["혼자 있는 질문"]
    let shared = SharedBeginnings(of: queries)
    #expect(shared.rest(of: queries[4]) == "…낱말4 넣기")
    #expect(shared.rest(of: queries[12]) == "…문장3")
    #expect(shared.rest(of: "혼자 있는 질문") == "혼자 있는 질문")
    #expect(SharedBeginnings(of: ["a b c"]).rest(of: "a b c") == "a b c")
    #expect(SharedBeginnings(of: []).rest(of: "x") == "x")
    // Two that are nearly the same do not hide each other.
    #expect(
      SharedBeginnings(of: ["what is one thing", "what is one other"]).rest(of: "what is one thing")
        == "what is one thing")
  }
}
