/// Reads back what `evaluate` wrote of every query, and what a metric is for each of them.
import Foundation
import JSONText
import Pipelines

/// The file at `evaluate`'s port `per_query`.
package struct PerQueryScores: Sendable {
  private struct Query {
    /// `nil` where there is one set alone.
    let set: String?
    let id: String
    let ranking: QueryRanking
    let margin: Double?
    let type: String?
    /// Each reward of an answer; `nil` where passages were ranked.
    var rewards: [(name: String, value: Double)]?
  }
  private let queries: [Query]

  /// Throws a `DataError` with file and line if it is no such file.
  package init(contentsOf file: URL) throws {
    var queries: [Query] = []
    try forEachRecord(of: TextFile(file, encoding: .utf8), format: .jsonl) { record in
      let value = record.value
      if let rewards = value["values"]?.members, let id = value["id"]?.string {
        queries.append(
          Query(
            set: nil, id: id, ranking: QueryRanking(graded: []), margin: nil, type: value["type"]?.string,
            rewards: rewards.compactMap { reward in reward.value.double.map { (reward.key, $0) } }))
        return
      }
      let gold = value["gold"]?.elements?.map { ($0["rank"]?.int, $0["grade"]?.double ?? 1) }
      guard let id = value["id"]?.string, let gold, gold.allSatisfy({ $0.0 ?? 0 > 0 && $0.1 > 0 }) else {
        throw record.place.error("expected a query's `id` and its `gold` passages, each with a `rank` from 1")
      }
      let set = value["set"]?.string
      queries.append(
        Query(
          set: set, id: set.map { "\($0)/\(id)" } ?? id,
          ranking: QueryRanking(graded: gold.map { (rank: $0.0 ?? 0, grade: $0.1) }), margin: value["margin"]?.double,
          type: value["type"]?.string))
    }
    self.queries = queries
  }

  /// By the query's id; those without a type are absent.
  package var types: [String: String] {
    Dictionary(queries.compactMap { query in query.type.map { (query.id, $0) } }) { first, _ in first }
  }

  /// By the query's id; their mean is the metric, but for `margin`, which `evaluate` takes over pairs, not queries.
  /// Ids are `SET/ID` where there are several sets, and `SET.METRIC` is of one of them. `nil` for metrics that single
  /// queries do not have.
  package func values(of name: String) -> [String: Double]? {
    let (set, metric) = MetricDescription.parts(of: name)
    let pairs = queries.compactMap { query -> (String, Double)? in
      guard set == nil || query.set == set else { return nil }
      if let rewards = query.rewards {
        return rewards.first { $0.name == name }.map { (query.id, $0.value) }
      }
      let value =
        metric == "margin" ? query.margin : rankingMetrics([query.ranking]).first { $0.name == metric }?.value
      return value.map { (query.id, $0) }
    }
    return pairs.isEmpty ? nil : Dictionary(pairs) { first, _ in first }
  }
}
