/// `mine`: fixes each query's candidates: its positives, its given negatives, then mined ones.
import Basics
import Foundation
import Pipelines
import Training

struct Mine: Stage {
  static let kind = StageKind("mine", revision: 3)
  static let abstract = "Fixes each query's candidates: positives, given negatives, then random, nearest or BM25 ones."
  static let numeric = true
  static let metrics = [
    MetricDescription("mined", "Negatives that were found.", nil)
  ]

  enum Strategy: String, ParameterChoice {
    /// Any passage of the pool.
    case random
    /// Positives and negatives of other groups, a row for every two places, then any passage of the pool.
    case rows
    /// Passages of the positives' categories, then any passage of the pool.
    case category
    /// By the cosine of the model at the port `encoder`.
    case nearest
    case bm25
  }
  enum Sampling: String, ParameterChoice {
    /// The best-scoring of those allowed.
    case top
    /// Any of those allowed.
    case random
  }

  @Input(
    "Queries with their positives and given negatives; another `mine`'s candidates are given, too, and stay what they are.",
    .handsOn)
  var groups: LabelledFile
  @Input("Passages to mine from, besides those of the groups.") var corpus: CorpusFile?
  @Input("Bi-encoder for `strategy: nearest`.", as: .biEncoder) var encoder: ModelFolder?
  @Input("Cross-encoder that drops false negatives: see `teacher_max_score`.", as: .crossEncoder, base: "base")
  var teacher: ModelFolder?
  @Parameter("Negatives of each query, given ones included.", in: 0...100_000) var numNegatives = 15
  @Parameter("How negatives are found.") var strategy = Strategy.random
  @Parameter("Which of the allowed places to take.") var sampling = Sampling.top
  @Parameter("First and last place of the ranking to take from, counted from 0 without positives: [10, 100].")
  var range: [Int] = []
  @Parameter("Only passages that score at most this.") var maxScore: Double?
  @Parameter("Only passages that score at least this.", in: -1e9...1e9, isNeutralAbsent: true) var minScore: Double?
  @Parameter("Only passages that score at most s₊ − this, s₊ the lowest positive's score.", in: 0...1000)
  var absoluteMargin: Double?
  @Parameter("Only passages that score at most s₊ − |s₊|·this.", in: 0...1) var relativeMargin: Double?
  @Parameter("With a teacher: drop passages that it scores (sigmoid) above this.", in: 0...1) var teacherMaxScore = 0.5
  @Parameter(
    "Queries to mine for, the sample that `distill` draws with the same seed; the others' passages are not drawn; absent: all.",
    in: 1...1_000_000_000, isNeutralAbsent: true, role: .limits)
  var maxSamples: Int?
  @Seed var seed
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output("Queries with candidates.", file: "candidates.jsonl") var candidates: CandidateFile

  func problems() -> [String] {
    var problems: [String] = []
    if !range.isEmpty && (range.count != 2 || range[0] < 0 || range[1] < range[0]) {
      problems.append("`range` is [first, last], counted from 0, for example [10, 100]")
    }
    let needsScores =
      !range.isEmpty || maxScore != nil || minScore != nil || absoluteMargin != nil || relativeMargin != nil
    if ![.nearest, .bm25].contains(strategy) && needsScores {
      problems.append("`range`, `max_score`, `min_score` and margins need scores: `strategy: nearest` or `bm25`")
    }
    if strategy == .nearest && encoder == nil { problems.append(Self.lacksEncoder) }
    return problems
  }

  private static let lacksEncoder = "`strategy: nearest` needs a model at the port `encoder`"

  func run(_ context: StageContext) async throws {
    var all: [CandidateList] = []
    try self.groups.forEach { list, _ in all.append(list) }
    let chosen = SeededDraws(seed: seed).sample(maxSamples ?? all.count, of: all.count)
    if chosen.count < all.count { context.log("[mine] Queries used: \(chosen.count) of \(all.count)") }
    let groups = chosen.map { QueryGroup(all[$0]) }
    var pool = try PassagePool(corpus.map { try Passage.read($0.url) } ?? [], file: corpus?.url ?? self.groups.url)
    try pool.add(groups, file: self.groups.url)
    var miner = Miner(groups: groups, pool: pool.passages, wanted: numNegatives, seed: seed)
    if range.count == 2 { miner.range = range[0]..<range[1] + 1 }
    miner.maxScore = maxScore.map(Float.init)
    miner.minScore = minScore.map(Float.init)
    miner.absoluteMargin = absoluteMargin.map(Float.init)
    miner.relativeMargin = relativeMargin.map(Float.init)
    miner.drawsAtRandom = sampling == .random

    var report = MiningReport()
    let judge = try teacher.map { try loadCrossEncoder($0, context, for: "mine") }
    func accept(_ number: Int, _ passages: [Int]) throws -> [Bool] {
      guard let judge else { return passages.map { _ in true } }
      let logits = try judge.score(passages.map { (groups[number].query, pool.passages[$0].text) })
      let accepted = logits.map { logistic(Double($0)) <= teacherMaxScore }
      report.droppedByTeacher += accepted.count { !$0 }
      return accepted
    }

    var mined: [[(passage: Int, source: CandidateSource)]] = groups.map { _ in [] }
    func keep(_ passages: [Int], of number: Int, as source: (Int) -> CandidateSource) {
      mined[number] = passages.map { ($0, source($0)) }
      context.progress(number + 1, of: groups.count)
    }
    switch strategy {
    case .random:
      for number in groups.indices {
        keep(try miner.random(number) { try accept(number, $0) }, of: number) { _ in .random }
      }
    case .rows:
      let rows = miner.rows(pool.indices)
      for number in groups.indices {
        keep(try miner.fromRows(number, rows) { try accept(number, $0) }, of: number) { _ in .rows }
      }
    case .category:
      let members = try members(of: pool)
      for number in groups.indices {
        let own = Set(pool.indices(of: groups[number].positives).compactMap { pool.passages[$0].category })
        let alike = own.sorted().flatMap { members[$0] ?? [] }
        keep(try miner.fromCategories(number, alike) { try accept(number, $0) }, of: number) {
          pool.passages[$0].category.map(own.contains) == true ? .category : .random
        }
      }
    case .nearest, .bm25:
      let order = TieOrder(ids: pool.ids)
      let source: CandidateSource = strategy == .bm25 ? .bm25 : .nearest
      try retriever(groups, pool, context).forEachQuery { number, scores in
        func score(_ passage: Int) -> Float { scores[scores.startIndex + passage] }
        let positives = pool.indices(of: groups[number].positives).map(score)
        let found = try miner.ranked(
          number, scores: scores, positiveScores: positives, order: order, judged: { report.judged($0) }
        ) { try accept(number, $0) }
        report.add(positives: positives, negatives: found.map(score))
        keep(found, of: number) { _ in source }
      }
    }
    judge?.finish()
    try write(chosen.map { all[$0] }, mined, pool)
    tell(groups, mined.map { $0.map(\.source) }, pool, report, context)
  }

  /// The places of each category in the pool. Throws a `DataError` if no passage has one.
  private func members(of pool: PassagePool) throws -> [String: [Int]] {
    let places = pool.passages.indices.filter { pool.passages[$0].category != nil }
    guard !places.isEmpty else {
      throw DataError(
        corpus?.url ?? groups.url,
        "no passage has a `category`, from which `strategy: category` draws: say in `groups` which field holds it, as "
          + "`passage_columns: {category: chapter}` (`columns` where passages stand in the queries' records)"
          + (corpus == nil ? ", or give the port `corpus` passages that have one" : ""))
    }
    return Dictionary(grouping: places) { pool.passages[$0].category ?? "" }
  }

  private func retriever(_ groups: [QueryGroup], _ pool: PassagePool, _ context: StageContext) throws -> any Retriever {
    if strategy == .bm25 { return LexicalRetriever(queries: groups.map(\.query), index: BM25(pool.texts)) }
    guard let encoder else { throw StageInputError(Self.lacksEncoder) }
    let model = try loadBiEncoder(encoder, context, for: "mine")
    return try DenseRetriever(model, groups, pool)
  }

  private func write(
    _ lists: [CandidateList], _ mined: [[(passage: Int, source: CandidateSource)]], _ pool: PassagePool
  ) throws {
    try CandidateList.write(
      zip(lists, mined).map { list, mined in
        CandidateList(
          id: list.id, query: list.query,
          candidates: list.candidates.filter(\.isPositive) + list.candidates.filter { !$0.isPositive }
            + mined.map { Candidate(passage: pool.passages[$0.passage], isPositive: false, source: $0.source) },
          type: list.type)
      }, to: candidates.url)
  }

  private func tell(
    _ groups: [QueryGroup], _ mined: [[CandidateSource]], _ pool: PassagePool, _ report: MiningReport,
    _ context: StageContext
  ) {
    let given = groups.lazy.map(\.negatives.count).reduce(0, +)
    let found = mined.lazy.map(\.count).reduce(0, +)
    let short = zip(groups, mined).count { $0.negatives.count + $1.count < numNegatives }
    let sources: [CandidateSource] =
      switch strategy {
      case .random: [.random]
      case .rows: [.rows]
      case .category: [.category, .random]
      case .nearest: [.nearest]
      case .bm25: [.bm25]
      }
    let counts = sources.map { source in "\(source.rawValue): \(mined.joined().count { $0 == source })" }
    context.log(
      "[mine] Queries: \(groups.count) | Pool: \(pool.passages.count) | Given: \(given) | "
        + counts.joined(separator: " | ")
        + (teacher == nil ? "" : " | Dropped by the teacher: \(report.droppedByTeacher)"))
    let limits: [Miner.Limit: Double?] = [
      .absoluteMargin: absoluteMargin, .relativeMargin: relativeMargin, .maxScore: maxScore, .minScore: minScore,
    ]
    for line in report.lines(limits: limits.compactMapValues(\.self)) { context.log("[mine] \(line)") }
    context.metric("mined", Double(found))
    if short > 0 {
      context.warn(
        "[mine] \(short) queries have fewer than \(numNegatives) negatives: the pool or the margins allow no more")
    }
  }
}

/// A combination of inputs that only a running stage can see to be wrong.
struct StageInputError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
