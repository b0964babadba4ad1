/// What a model made of every query: ranks, the best passages, and the scores of its pairs.
import Basics

/// How a model's raw scores become 0…1.
enum ScoreScale: String {
  /// s̃ = (s + 1)/2
  case cosine
  /// σ(s)
  case logit
  /// Not bounded: there is no normalised score.
  case unbounded

  func normalize(_ score: Float) -> Double {
    switch self {
    case .cosine: (Double(score) + 1) / 2
    case .logit: logistic(Double(score))
    case .unbounded: Double(score)
    }
  }
}

struct QueryJudgement {
  let ranking: QueryRanking
  /// The best passages, best first, with raw scores; a passage beyond the reranked ones has none.
  let top: [(passage: Int, score: Float?)]
  let positives: [(passage: Int, rank: Int, score: Float)]
  /// Raw scores of the given negatives that the pool has.
  let given: [Float]
  /// Raw scores of other passages of the pool: all of them, a regular sample, or the reranked ones.
  let others: [Float]
  /// Raw scores of the query's triplets, by their place among all.
  let triplets: [(row: Int, positive: Float, negative: Float)]
}

/// Judges groups against a pool of passages.
struct Judge {
  let data: EvaluationData
  let pool: PassagePool
  let order: TieOrder
  private let positives: [[Int]]
  private let given: [[Int]]
  /// Grades by passage, of the queries whose positives have some.
  private let grades: [[Int: Double]]
  /// The triplets of each query whose passages the pool has.
  private let triplets: [[(row: Int, positive: Int, negative: Int)]]
  /// Given negatives that are not in the pool.
  let missingNegatives: Int
  static let shown = 5
  /// Most negative pairs whose scores are kept for the distributions.
  static let mostScores = 10_000_000

  var groups: [QueryGroup] { data.groups }

  /// Throws if a positive is not in the pool.
  init(_ data: EvaluationData, pool: PassagePool) throws {
    let groups = data.groups
    self.data = data
    self.pool = pool
    order = TieOrder(ids: pool.ids)
    positives = try groups.map { group in
      if let passage = group.positives.first(where: { pool.indexOfID[$0.id] == nil }) {
        throw StageInputError(
          "the positive `\(passage.id)` of query `\(group.id)` is not in the corpus; leave `corpus` out to search "
            + "the groups' own passages")
      }
      return pool.indices(of: group.positives)
    }
    grades = groups.map { group in
      let places = group.positives.compactMap { pool.indexOfID[$0.id] }
      return Dictionary(zip(places, group.grades ?? []), uniquingKeysWith: max)
    }
    given = zip(groups, positives).map { group, positives in
      pool.indices(of: group.negatives).filter { !positives.contains($0) }
    }
    var triplets = groups.map { _ in [(row: Int, positive: Int, negative: Int)]() }
    for (row, triplet) in data.triplets.enumerated() {
      if let positive = pool.indexOfID[triplet.positive.id], let negative = pool.indexOfID[triplet.negative.id] {
        triplets[triplet.query].append((row, positive, negative))
      }
    }
    self.triplets = triplets
    missingNegatives = groups.reduce(0) { $0 + $1.negatives.count { pool.indexOfID[$0.id] == nil } }
  }

  /// Every k-th passage stands for the whole pool in the distributions.
  var sampleStride: Int { max(1, groups.count * pool.passages.count / Self.mostScores) }

  private func ranking(_ query: Int, _ ranked: [(passage: Int, rank: Int, score: Float)]) -> QueryRanking {
    QueryRanking(graded: ranked.map { ($0.rank, grades[query][$0.passage] ?? 1) })
  }

  /// The grade of a query's positive; `nil` if its positives are all alike.
  func grade(_ query: Int, _ passage: Int) -> Double? { grades[query].isEmpty ? nil : grades[query][passage] }

  func judge(_ retriever: some Retriever, progress: (Int) -> Void = { _ in }) -> [QueryJudgement] {
    var judgements: [QueryJudgement] = []
    let stride = sampleStride
    retriever.forEachQuery { query, scores in
      let base = scores.startIndex
      let own = Set(positives[query])
      let ranked = positives[query].map {
        (passage: $0, rank: order.rank(of: $0, in: scores), score: scores[base + $0])
      }
      let others = Swift.stride(from: query % stride, to: pool.passages.count, by: stride)
        .filter { !own.contains($0) }.map { scores[base + $0] }
      judgements.append(
        QueryJudgement(
          ranking: ranking(query, ranked),
          top: order.top(Self.shown, of: scores).map { ($0, scores[base + $0]) },
          positives: ranked, given: given[query].map { scores[base + $0] }, others: others,
          triplets: triplets[query].map { ($0.row, scores[base + $0.positive], scores[base + $0.negative]) }))
      progress(query + 1)
    }
    return judgements
  }

  /// The first stage's best `depth` passages in the order of a cross-encoder's scores; the others follow as they were.
  func rerank(
    _ first: some Retriever, by scorer: any PairScoring, depth: Int, progress: (Int) -> Void = { _ in }
  ) throws -> [QueryJudgement] {
    var judgements: [QueryJudgement] = []
    try first.forEachQuery { query, scores in
      let candidates = order.top(depth, of: scores)
      let extra = (positives[query] + given[query]).filter { !candidates.contains($0) }
      let judged = candidates + extra
      let logits = try scorer.score(judged.map { (groups[query].query, pool.passages[$0].text) })
      let score = Dictionary(zip(judged, logits)) { first, _ in first }
      let reranked = candidates.sorted { order.ranks($0, score[$0]!, before: $1, score[$1]!) }
      let own = Set(positives[query])
      let ranked = positives[query].map { passage in
        (
          passage: passage,
          rank: reranked.firstIndex(of: passage).map { $0 + 1 } ?? order.rank(of: passage, in: scores),
          score: score[passage]!
        )
      }
      judgements.append(
        QueryJudgement(
          ranking: ranking(query, ranked), top: reranked.prefix(Self.shown).map { ($0, score[$0]) },
          positives: ranked, given: given[query].map { score[$0]! },
          others: reranked.filter { !own.contains($0) }.map { score[$0]! },
          triplets: []))
      progress(query + 1)
    }
    return judgements
  }
}
