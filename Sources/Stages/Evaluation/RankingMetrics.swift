/// Metrics of a ranking, from the ranks of the relevant passages alone.
import Foundation

/// One query's ranking: where its relevant passages stand.
struct QueryRanking {
  /// Ranks from 1, ascending, of every relevant passage that was ranked.
  let ranks: [Int]
  /// Number of relevant passages, ranked or not.
  let relevant: Int
  /// How relevant the passage at each rank is; `nil`: all alike.
  private let grades: [Double]?

  init(ranks: [Int], relevant: Int? = nil) {
    self.ranks = ranks.sorted()
    self.relevant = relevant ?? ranks.count
    grades = nil
  }

  /// - Parameter graded: every relevant passage's rank, and its grade above 0.
  init(graded: [(rank: Int, grade: Double)]) {
    let sorted = graded.sorted { $0.rank < $1.rank }
    ranks = sorted.map(\.rank)
    relevant = sorted.count
    grades = sorted.contains { $0.grade != 1 } ? sorted.map(\.grade) : nil
  }

  private func hits(_ k: Int) -> Int { ranks.count { $0 <= k } }

  /// Whether any relevant passage is among the first k (sentence-transformers' accuracy, trec_eval's success_k).
  func accuracy(_ k: Int) -> Double { hits(k) > 0 ? 1 : 0 }
  func precision(_ k: Int) -> Double { Double(hits(k)) / Double(k) }
  func recall(_ k: Int) -> Double { Double(hits(k)) / Double(relevant) }
  /// 1 / rank of the first relevant passage; 0 beyond k.
  func reciprocalRank(_ k: Int = .max) -> Double { ranks.first.map { $0 <= k ? 1 / Double($0) : 0 } ?? 0 }

  /// Σ grade/log₂(rank + 1) over relevant passages among the first k, divided by the best possible, as trec_eval's
  /// ndcg_cut_k; grades are 1 where there are none.
  func ndcg(_ k: Int) -> Double {
    func gain(_ rank: Int) -> Double { 1 / log2(Double(rank) + 1) }
    if let grades {
      func sum(_ ranked: [(Int, Double)]) -> Double {
        ranked.prefix { $0.0 <= k }.reduce(0) { $0 + $1.1 * gain($1.0) }
      }
      return sum(Array(zip(ranks, grades))) / sum(Array(zip(1..., grades.sorted(by: >))))
    }
    let ideal = (1...max(1, min(k, relevant))).reduce(0) { $0 + gain($1) }
    return ranks.prefix { $0 <= k }.reduce(0) { $0 + gain($1) } / ideal
  }

  private func precisionSum(_ k: Int) -> Double {
    zip(1..., ranks).reduce(0) { $1.1 <= k ? $0 + Double($1.0) / Double($1.1) : $0 }
  }
  /// As sentence-transformers: divided by min(k, relevant).
  func map(_ k: Int) -> Double { precisionSum(k) / Double(min(k, relevant)) }
  /// As trec_eval's map_cut_k: divided by the number of relevant passages.
  func mapCut(_ k: Int) -> Double { precisionSum(k) / Double(relevant) }
}

/// Means over queries, in the order in which results show them.
func rankingMetrics(_ rankings: [QueryRanking]) -> [(name: String, value: Double)] {
  func mean(_ value: (QueryRanking) -> Double) -> Double {
    rankings.reduce(0) { $0 + value($1) } / Double(max(1, rankings.count))
  }
  var metrics: [(String, Double)] = []
  for k in [1, 2, 3, 5, 10, 30] { metrics.append(("accuracy@\(k)", mean { $0.accuracy(k) })) }
  for k in [1, 3, 5, 10] { metrics.append(("precision@\(k)", mean { $0.precision(k) })) }
  for k in [1, 3, 5, 10, 100] { metrics.append(("recall@\(k)", mean { $0.recall(k) })) }
  metrics.append(("mrr@10", mean { $0.reciprocalRank(10) }))
  metrics.append(("mrr", mean { $0.reciprocalRank() }))
  metrics.append(("ndcg@10", mean { $0.ndcg(10) }))
  metrics.append(("map@100", mean { $0.map(100) }))
  metrics.append(("map_cut_100", mean { $0.mapCut(100) }))
  let ranked = rankings.compactMap(\.ranks.first)
  metrics.append(("mean_rank", ranked.reduce(0) { $0 + Double($1) } / Double(max(1, ranked.count))))
  return metrics
}
