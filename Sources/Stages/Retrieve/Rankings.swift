/// What a search found, query by query: reranked, and written as lines.
import Basics
import Foundation
import JSONText

/// A hit as a line of `ranking`.
package struct RankedPassage: Sendable, Hashable {
  /// The query's.
  package let id: String
  /// From 1.
  package let rank: Int
  /// The passage's id.
  package let passage: String
  package let title: String?
  package let text: String
  /// A cosine, or BM25's.
  package let score: Float
  /// The reranker's logit, of a hit that it has judged.
  package let rerankScore: Float?
  /// What calibration makes of the score.
  package let probability: Double?
}

extension RankedPassage: LineRecord {
  package static let keys = ["id", "rank", "passage", "title", "text", "score", "rerank_score", "probability"]
  package init(reading object: LineObject) throws {
    self.init(
      id: try object.text("id"), rank: Int(saturating: try object.number("rank")), passage: try object.text("passage"),
      title: try object.optionalText("title"), text: try object.text("text"), score: try object.float("score"),
      rerankScore: try object.has("rerank_score") ? object.float("rerank_score") : nil,
      probability: try object.has("probability") ? object.number("probability") : nil)
  }
  package var json: JSONValue {
    .object(
      [
        JSONMember("id", .string(id)), JSONMember("rank", .int(rank)), JSONMember("passage", .string(passage)),
        JSONMember("title", title.map { .string($0) } ?? .null), JSONMember("text", .string(text)),
        JSONMember("score", .float(score)),
      ] + (rerankScore.map { [JSONMember("rerank_score", .float($0))] } ?? [])
        + (probability.map { [JSONMember("probability", .double($0))] } ?? []))
  }
}

struct Rankings {
  struct Hit {
    let passage: Int
    let score: Float
    var rerankScore: Float?
  }
  /// The hits of each query, best first.
  private(set) var queries: [[Hit]]
  private let order: TieOrder
  /// Pairs that a reranker gets at a time; decides no bit.
  private static let pairsAtOnce = 1 << 13

  init(_ best: [[BestPassages.Hit]], in order: TieOrder) {
    queries = best.map { $0.map { Hit(passage: $0.passage, score: $0.score) } }
    self.order = order
  }

  /// The share of the others' first `depth` hits that are among the first `depth` here.
  func recall(of others: Rankings, at depth: Int) -> Double {
    var (found, all) = (0, 0)
    for (own, other) in zip(queries, others.queries) {
      let passages = Set(own.prefix(depth).map(\.passage))
      found += other.prefix(depth).count { passages.contains($0.passage) }
      all += min(depth, other.count)
    }
    return Double(found) / Double(max(1, all))
  }

  /// The first `depth` hits in the order of a cross-encoder's logits; the others follow as they were.
  mutating func rerank(
    _ texts: [Passage], _ passages: [RawPassage], by scorer: any PairScoring, depth: Int,
    progress: (_ queries: Int) -> Void
  ) throws {
    let step = max(1, Self.pairsAtOnce / depth)
    for start in stride(from: 0, to: queries.count, by: step) {
      let stretch = start..<min(start + step, queries.count)
      var logits = try scorer.score(
        stretch.flatMap { query in
          queries[query].prefix(depth).map { (texts[query].text, passages[$0.passage].shown) }
        })[...]
      for query in stretch {
        let judged = queries[query].prefix(depth).map { hit in
          Hit(passage: hit.passage, score: hit.score, rerankScore: logits.removeFirst())
        }
        let sorted = judged.sorted {
          order.ranks($0.passage, $0.rerankScore ?? 0, before: $1.passage, $1.rerankScore ?? 0)
        }
        queries[query].replaceSubrange(..<judged.count, with: sorted)
      }
      progress(stretch.upperBound)
    }
  }

  /// Lines of the first `most` hits of each query.
  func write(
    to file: URL, most: Int, _ texts: [Passage], _ passages: [RawPassage], _ calibration: Calibration?
  ) throws {
    let writer = try LineWriter(file)
    for (query, hits) in zip(texts, queries) {
      for (place, hit) in hits.prefix(most).enumerated() {
        let passage = passages[hit.passage]
        let line = RankedPassage(
          id: query.id, rank: place + 1, passage: passage.id, title: passage.title, text: passage.text,
          score: hit.score, rerankScore: hit.rerankScore, probability: calibration?.probability(of: hit.score))
        try writer.write(line.json)
      }
    }
    try writer.close()
  }
}
