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

  @Input("Queries with their positives and given negatives.", .handsOn) var groups: GroupFile
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
  @Parameter("Only passages that score at most s₊ − this, s₊ the lowest positive's score.", in: 0...1000)
  var absoluteMargin: Double?
  @Parameter("Only passages that score at most s₊ − |s₊|·this.", in: 0...1) var relativeMargin: Double?
  @Parameter("With a teacher: drop passages that it scores (sigmoid) above this.", in: 0...1) var teacherMaxScore = 0.5
  @Parameter(
    "Queries to mine for, the sample that `distill` draws with the same seed; the others' passages are not drawn; absent: all.",
    in: 1...1_000_000_000, isNeutralAbsent: true, role: .limits)
  var maxSamples: Int?
  @Seed var seed
  @Output("Queries with candidates.", file: "candidates.jsonl") var candidates: CandidateFile

  func problems() -> [String] {
    var problems: [String] = []
    if !range.isEmpty && (range.count != 2 || range[0] < 0 || range[1] < range[0]) {
      problems.append("`range` is [first, last], counted from 0, for example [10, 100]")
    }
    let needsScores = !range.isEmpty || maxScore != nil || absoluteMargin != nil || relativeMargin != nil
    if [.random, .rows].contains(strategy) && needsScores {
      problems.append("`range`, `max_score` and margins need scores: `strategy: nearest` or `bm25`")
    }
    if strategy == .nearest && encoder == nil { problems.append(Self.lacksEncoder) }
    return problems
  }

  private static let lacksEncoder = "`strategy: nearest` needs a model at the port `encoder`"

  func run(_ context: StageContext) async throws {
    let all = try QueryGroup.read(self.groups.url)
    let chosen = SeededDraws(seed: seed).sample(maxSamples ?? all.count, of: all.count)
    if chosen.count < all.count { context.log("[mine] Queries used: \(chosen.count) of \(all.count)") }
    let groups = chosen.map { all[$0] }
    var pool = try PassagePool(corpus.map { try Passage.read($0.url) } ?? [], file: corpus?.url ?? self.groups.url)
    try pool.add(groups, file: self.groups.url)
    var miner = Miner(groups: groups, pool: pool.passages, wanted: numNegatives, seed: seed)
    if range.count == 2 { miner.range = range[0]..<range[1] + 1 }
    miner.maxScore = maxScore.map(Float.init)
    miner.absoluteMargin = absoluteMargin.map(Float.init)
    miner.relativeMargin = relativeMargin.map(Float.init)
    miner.drawsAtRandom = sampling == .random

    var mined = [[Int]](repeating: [], count: groups.count)
    var dropped = 0
    let judge = try teacher.map { try loadCrossEncoder($0, context, for: "mine") }
    func accept(_ number: Int, _ passages: [Int]) throws -> [Bool] {
      guard let judge else { return passages.map { _ in true } }
      let logits = try judge.score(passages.map { (groups[number].query, pool.passages[$0].text) })
      let accepted = logits.map { logistic(Double($0)) <= teacherMaxScore }
      dropped += accepted.count { !$0 }
      return accepted
    }

    if strategy == .random || strategy == .rows {
      let rows = strategy == .rows ? miner.rows(pool.indices) : []
      for number in groups.indices {
        mined[number] =
          try strategy == .rows
          ? miner.fromRows(number, rows) { try accept(number, $0) } : miner.random(number) { try accept(number, $0) }
        context.progress(number + 1, of: groups.count)
      }
    } else {
      let order = TieOrder(ids: pool.ids)
      try retriever(groups, pool, context).forEachQuery { number, scores in
        let positives = pool.indices(of: groups[number].positives)
        mined[number] = try miner.ranked(
          number, scores: scores, positiveScores: positives.map { scores[scores.startIndex + $0] }, order: order
        ) { try accept(number, $0) }
        context.progress(number + 1, of: groups.count)
      }
    }
    judge?.finish()
    try write(groups, mined, pool, to: context, dropped: dropped)
  }

  private func retriever(_ groups: [QueryGroup], _ pool: PassagePool, _ context: StageContext) throws -> any Retriever {
    if strategy == .bm25 { return LexicalRetriever(queries: groups.map(\.query), index: BM25(pool.texts)) }
    guard let encoder else { throw StageInputError(Self.lacksEncoder) }
    let model = try loadBiEncoder(encoder, context, for: "mine")
    return try DenseRetriever(model, groups, pool)
  }

  private func write(
    _ groups: [QueryGroup], _ mined: [[Int]], _ pool: PassagePool, to context: StageContext, dropped: Int
  ) throws {
    let source: CandidateSource =
      switch strategy {
      case .random: .random
      case .rows: .rows
      case .nearest: .nearest
      case .bm25: .bm25
      }
    let lists = zip(groups, mined).map { group, mined in
      CandidateList(
        id: group.id, query: group.query,
        candidates: group.positives.map { Candidate(passage: $0, isPositive: true, source: .positive) }
          + group.negatives.map { Candidate(passage: $0, isPositive: false, source: .given) }
          + mined.map { Candidate(passage: pool.passages[$0], isPositive: false, source: source) },
        type: group.type)
    }
    try CandidateList.write(lists, to: candidates.url)
    let given = groups.lazy.map(\.negatives.count).reduce(0, +)
    let found = mined.lazy.map(\.count).reduce(0, +)
    let short = zip(groups, mined).count { $0.negatives.count + $1.count < numNegatives }
    context.log(
      "[mine] Queries: \(groups.count) | Pool: \(pool.passages.count) | Given: \(given) | \(source.rawValue): \(found)"
        + (teacher == nil ? "" : " | Dropped by the teacher: \(dropped)"))
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
