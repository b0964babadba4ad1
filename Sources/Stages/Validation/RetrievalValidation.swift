/// A student's validation: ranks all passages, of a corpus or of the groups, for each query.
import Foundation
import Tokenizers
import Training

struct RetrievalValidation {
  private let queries: [Encoding]
  private let passages: [Encoding]
  private let positives: [[Int]]  // indices into `passages`, of each query
  private let negatives: [[Int]]
  private let order: TieOrder
  private let ids: [String]

  init(_ groups: [QueryGroup], _ pool: PassagePool, _ encoder: BiEncoder) throws {
    queries = try encoder.tokenize(groups.map(\.query), as: .query) { "validation query \(groups[$0].id)" }
    passages = try encoder.tokenize(pool.texts, as: .passage) { "validation passage \(pool.ids[$0])" }
    positives = groups.map { pool.indices(of: $0.positives) }
    negatives = groups.map { pool.indices(of: $0.negatives) }
    ids = pool.ids
    order = TieOrder(ids: ids)
  }

  /// - Parameter metrics: names of those wanted.
  /// - Returns: with what is wrong with a student that no longer tells queries apart.
  func run(_ encoder: BiEncoder, metrics names: [String]) throws -> (validation: Validation, blindness: String?) {
    let retriever = DenseRetriever(
      queries: Embeddings(try encoder.embed(queries, normalizing: true)),
      passages: Embeddings(try encoder.embed(passages, normalizing: true)))
    var rankings: [QueryRanking] = []
    var amongCandidates: [QueryRanking] = []
    var first: [Int] = []  // the best passage of each query
    retriever.forEachQuery { query, scores in
      rankings.append(QueryRanking(ranks: positives[query].map { order.rank(of: $0, in: scores) }))
      first += order.top(1, of: scores)
      if !negatives[query].isEmpty { amongCandidates.append(ranking(amongCandidatesOf: query, scores)) }
    }
    let metrics =
      rankingMetrics(rankings)
      + (amongCandidates.isEmpty ? [] : rankingMetrics(amongCandidates).map { ("candidates_" + $0.name, $0.value) })
    let wanted = names.compactMap { name in
      metrics.first { $0.0 == name }.map {
        ValidationMetric(name, $0.1, higherIsBetter: !name.hasSuffix("mean_rank"))
      }
    }
    return (Validation(wanted, queries: rankings.map { $0.ndcg(10) }), blindness(first))
  }

  /// The ranks of a query's positives among them and its given negatives.
  private func ranking(amongCandidatesOf query: Int, _ scores: ArraySlice<Float>) -> QueryRanking {
    func score(_ passage: Int) -> Float { scores[scores.startIndex + passage] }
    let sorted = (positives[query] + negatives[query]).sorted { order.ranks($0, score($0), before: $1, score($1)) }
    let known = Set(positives[query])
    return QueryRanking(ranks: sorted.enumerated().filter { known.contains($0.element) }.map { $0.offset + 1 })
  }

  /// Where cosines hardly depend on the query, nine queries in ten find the same passage first, though it answers few.
  private func blindness(_ first: [Int]) -> String? {
    let counts = Dictionary(first.map { ($0, 1) }, uniquingKeysWith: +)
    guard queries.count >= 10, let (passage, count) = counts.max(by: { $0.value < $1.value }),
      count * 10 >= queries.count * 9, positives.count(where: { $0.contains(passage) }) * 2 < queries.count
    else { return nil }
    return "of \(queries.count) validation queries \(count) find the same passage first, `\(ids[passage])`"
  }
}

extension PassagePool {
  /// The passages that validation ranks: a corpus, else those of the groups. Throws if the corpus lacks a positive.
  init(validating groups: [QueryGroup], file: URL, corpus: URL?) throws {
    guard let corpus else {
      try self.init(of: groups, file: file)
      return
    }
    try self.init(Passage.read(corpus), file: corpus)
    for (number, group) in groups.enumerated() {
      if let lacking = group.positives.first(where: { indexOfID[$0.id] == nil }) {
        throw DataError(
          file, line: number + 1,
          "the positive `\(lacking.id)` of query `\(group.id)` is not in the corpus \(corpus.lastPathComponent); give "
            + "validation the corpus that belongs to it, or leave `corpus` out to rank the groups' own passages")
      }
    }
  }
}
