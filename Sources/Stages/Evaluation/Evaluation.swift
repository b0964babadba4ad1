/// An evaluation's figures: computed once, then shown as metrics, JSON, lines and a picture.
import Foundation

struct Evaluation {
  /// `bi-encoder`, `cross-encoder`, `bm25`.
  let method: String
  let scale: ScoreScale
  let groups: [QueryGroup]
  let passages: [Passage]
  /// The grade of a query's positive; `nil` if its positives are all alike.
  let grade: (_ query: Int, _ passage: Int) -> Double?
  let judgements: [QueryJudgement]
  let ranking: [(name: String, value: Double)]
  /// The ranking metrics of each type of question, in order of the types' names.
  var types: [(name: String, count: Int, ranking: [(name: String, value: Double)])] = []
  /// Pools of negatives by which separation is measured; the first is the one that metrics quote.
  let pools: [ScorePool]
  /// Wang and Isola's uniformity of the passages' vectors.
  var uniformity: Double?
  /// The ranking metrics of the first elements of vectors alone, by how many these are.
  var prefixes: [(width: Int, ranking: [(name: String, value: Double)])] = []
  var samples: [SampleScore] = []
  /// The figures of the rows of positive and negative, where the scores are cosines and there are rows.
  let triplets: TripletScores?
  let firstRow: TripletSample?
  let negativesStride: Int

  init(_ judge: Judge, _ method: String, _ scale: ScoreScale, _ judgements: [QueryJudgement]) {
    self.method = method
    self.scale = scale
    self.judgements = judgements
    groups = judge.groups
    passages = judge.pool.passages
    grade = judge.grade
    negativesStride = judge.sampleStride
    ranking = rankingMetrics(judgements.map(\.ranking))
    let byType = Dictionary(grouping: groups.indices.filter { judge.groups[$0].type != nil }) { judge.groups[$0].type! }
    types = byType.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { type, members in
      (type, members.count, rankingMetrics(members.map { judgements[$0].ranking }))
    }
    let rows = scale == .cosine ? judgements.flatMap(\.triplets).sorted { $0.row < $1.row } : []
    triplets =
      rows.isEmpty
      ? nil
      : TripletScores(
        positives: rows.map { scale.normalize($0.positive) }, negatives: rows.map { scale.normalize($0.negative) })
    firstRow = rows.first.map { first in
      let triplet = judge.data.triplets[first.row]
      return TripletSample(
        query: judge.groups[triplet.query].query, positive: triplet.positive.text, negative: triplet.negative.text,
        scores: (first.positive, first.negative))
    }
    // Given negatives are measured against the positives of those queries alone that have some.
    func pool(_ name: String, _ negatives: (QueryJudgement) -> [Float]) -> ScorePool {
      let chosen = judgements.filter { !negatives($0).isEmpty }
      return ScorePool(
        name: name, positives: chosen.flatMap { $0.positives.map { scale.normalize($0.score) } },
        negatives: chosen.flatMap { negatives($0).map(scale.normalize) })
    }
    pools = [pool("given", \.given), pool(scale == .logit ? "reranked" : "corpus", \.others)].filter { !$0.isEmpty }
  }

  var queryCount: Int { groups.count }

  /// Number of distinct positives: the limit of the margin depends on it where they serve as each other's negatives.
  private var distinctPositives: Int { Set(groups.lazy.flatMap { $0.positives.map(\.id) }).count }

  /// N/(2(N − 1)): the most that the mean normalised margin can be if N positives serve, balanced, as negatives.
  var marginLimit: Double? {
    distinctPositives > 1 ? Double(distinctPositives) / (2 * Double(distinctPositives - 1)) : nil
  }

  /// Final values for comparing runs.
  var metrics: [(String, Double)] {
    var metrics = ranking
    if let pool = pools.first {
      metrics.append(("auc", pool.auc))
      if scale != .unbounded {
        metrics += [
          ("margin", pool.margin), ("positive_mean", pool.positive.mean), ("negative_mean", pool.negative.mean),
          ("score_variance", pool.variance),
        ]
      }
    }
    if let uniformity { metrics.append(("uniformity", uniformity)) }
    for prefix in prefixes { metrics += prefix.ranking.map { ("dim\(prefix.width).\($0.name)", $0.value) } }
    return metrics
  }

  /// s̃₊ − s̃₋ of each query in the first pool, means over its positives and negatives; `nil` without negatives.
  func margin(_ query: Int) -> Double? {
    let judgement = judgements[query]
    let negatives = pools.first?.name == "given" ? judgement.given : judgement.others
    guard scale != .unbounded, !negatives.isEmpty else { return nil }
    let positive = judgement.positives.reduce(0) { $0 + scale.normalize($1.score) } / Double(judgement.positives.count)
    return positive - negatives.reduce(0) { $0 + scale.normalize($1) } / Double(negatives.count)
  }

  /// What a person reads first.
  var report: [String] {
    var lines = [
      "\(method): \(queryCount) queries over \(passages.count) passages | \(inBrief(ranking))"
    ]
    lines += prefixes.map { "the first \($0.width) elements of vectors alone | \(inBrief($0.ranking))" }
    for pool in pools where scale != .unbounded {
      lines.append(
        "\(pool.name) negatives: positives \(decimal(pool.positive.mean)) negatives \(decimal(pool.negative.mean)) "
          + "margin \(decimal(pool.margin)) AUC \(decimal(pool.auc))")
    }
    if let firstRow { lines.append(firstRow.report) }
    if let marginLimit, scale == .cosine, pools.first?.name == "corpus" {
      lines.append(
        "\(distinctPositives) positives that serve, balanced, as each other's negatives allow a mean margin of at most "
          + "\(decimal(marginLimit)); more needs dedicated negatives")
    }
    return lines
  }

  /// Worst first: by the best positive's rank, then by id.
  var worstFirst: [Int] {
    judgements.indices.sorted { left, right in
      let ranks = (judgements[left].ranking.ranks.first ?? .max, judgements[right].ranking.ranks.first ?? .max)
      return ranks.0 != ranks.1
        ? ranks.0 > ranks.1 : groups[left].id.utf8.lexicographicallyPrecedes(groups[right].id.utf8)
    }
  }
}

/// The ranking metrics that a person reads first, in one line.
func inBrief(_ ranking: [(name: String, value: Double)]) -> String {
  let values = Dictionary(uniqueKeysWithValues: ranking)
  return ["accuracy@1", "accuracy@5", "mrr@10", "ndcg@10", "recall@10", "mean_rank"]
    .map { "\($0) \(decimal(values[$0] ?? 0, $0 == "mean_rank" ? 1 : 4))" }.joined(separator: " | ")
}

/// A number with a fixed count of decimals.
func decimal(_ value: Double, _ digits: Int = 4) -> String { String(format: "%.\(digits)f", value) }

extension Embeddings {
  /// ln of the mean of exp(−2·‖x − y‖²) over pairs (Wang and Isola 2020), of at most 2,000 rows, regularly spaced.
  var uniformity: Double? {
    guard count > 1 else { return nil }
    let step = (count + 1999) / 2000
    let chosen = chosen(Array(stride(from: 0, to: count, by: step)))
    let all = chosen.searched(0..<chosen.count)
    var sum = 0.0
    for start in stride(from: 0, to: chosen.count, by: Self.rowsAtOnce) {
      let rows = start..<min(start + Self.rowsAtOnce, chosen.count)
      let block = chosen.products(of: rows, with: all)
      for row in 0..<rows.count {
        // ‖x − y‖² = 2 − 2·cos of unit vectors
        for other in 0..<start + row { sum += exp(-4 * (1 - Double(block[row * chosen.count + other]))) }
      }
    }
    return log(sum / (Double(chosen.count) * Double(chosen.count - 1) / 2))
  }
}
