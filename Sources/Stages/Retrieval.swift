/// Scores of every passage of a pool for queries, by whatever can tell: an encoder, BM25.
import Tensors

/// Scores all passages for each query of a list. A score's bits depend on its query and passage alone.
protocol Retriever {
  var queryCount: Int { get }
  /// Queries that are scored together.
  var queriesAtOnce: Int { get }
  /// The passages, in blocks that are scored together.
  var blocks: [Range<Int>] { get }
  /// Scores of the passages of a block: [queries, passages]. May be asked from several threads at once.
  func scores(of queries: Range<Int>, block: Int) -> [Float]
}

extension Retriever {
  private var stretches: [Range<Int>] {
    stride(from: 0, to: queryCount, by: queriesAtOnce).map { $0..<min($0 + queriesAtOnce, queryCount) }
  }

  /// Calls `body` for each query in order, with the scores of all passages.
  func forEachQuery(_ body: (_ query: Int, _ scores: ArraySlice<Float>) throws -> Void) rethrows {
    for queries in stretches {
      let parts = blocks.indices.map { (scores(of: queries, block: $0), blocks[$0].count) }
      for query in queries {
        let rows = parts.map { scores, count in
          scores[(query - queries.lowerBound) * count..<(query - queries.lowerBound + 1) * count]
        }
        try body(query, rows.count == 1 ? rows[0] : ArraySlice(rows.joined()))
      }
    }
  }

  /// The best `most` passages of each query, best first, on all threads.
  func best(
    _ most: Int, in order: TieOrder, on device: any Device, progress: (_ queries: Int) -> Void = { _ in }
  ) -> [[BestPassages.Hit]] {
    let stretches = stretches
    var best = [[BestPassages.Hit]](repeating: [], count: queryCount)
    best.withUnsafeMutableBufferPointer { best in
      // Some at a time, so that one hears of the progress.
      for start in stride(from: 0, to: stretches.count, by: device.threads * 4) {
        let end = min(start + device.threads * 4, stretches.count)
        device.onHost(end - start) { piece in
          let queries = stretches[start + piece]
          var found = [BestPassages](repeating: BestPassages(most, in: order), count: queries.count)
          for (block, passages) in blocks.enumerated() {
            let scores = scores(of: queries, block: block)
            for row in found.indices {
              found[row].add(scores[row * passages.count..<(row + 1) * passages.count], from: passages.lowerBound)
            }
          }
          for (query, found) in zip(queries, found) { best[query] = found.hits }
        }
        progress(stretches[end - 1].upperBound)
      }
    }
    return best
  }
}

struct DenseRetriever: Retriever {
  let passages: Embeddings
  let blocks: [Range<Int>]
  private let queries: Embeddings
  private let laidOut: [any SearchedRows]
  /// The scores of a block's passages for some queries stay in a processor's cache.
  private static let passagesAtOnce = 4096

  init(queries: Embeddings, passages: Embeddings) {
    self.queries = queries
    self.passages = passages
    blocks = stride(from: 0, to: passages.count, by: Self.passagesAtOnce).map {
      $0..<min($0 + Self.passagesAtOnce, passages.count)
    }
    laidOut = blocks.map { passages.searched($0) }
  }

  /// The same by the first elements of vectors alone.
  func prefix(_ width: Int, normalizing: Bool) -> DenseRetriever {
    DenseRetriever(
      queries: queries.prefix(width, normalizing: normalizing),
      passages: passages.prefix(width, normalizing: normalizing))
  }

  var queryCount: Int { queries.count }
  var queriesAtOnce: Int { Embeddings.rowsAtOnce }

  func scores(of queries: Range<Int>, block: Int) -> [Float] {
    self.queries.products(of: queries, with: laidOut[block])
  }
}

struct LexicalRetriever: Retriever {
  let queries: [String]
  let index: BM25

  var queryCount: Int { queries.count }
  var queriesAtOnce: Int { 1 }
  var blocks: [Range<Int>] { [0..<index.count] }

  func scores(of queries: Range<Int>, block: Int) -> [Float] { queries.flatMap { index.scores(self.queries[$0]) } }
}

/// The order of passages under equal scores: ids descending, byte by byte, as trec_eval sorts them.
struct TieOrder {
  /// For each passage, its place among all ids in descending order.
  let places: [Int32]
  /// The passage of each place.
  private let passages: [Int]

  init(ids: [String]) {
    passages = ids.indices.sorted { ids[$1].utf8.lexicographicallyPrecedes(ids[$0].utf8) }
    var places = [Int32](repeating: 0, count: ids.count)
    for (place, index) in passages.enumerated() { places[index] = Int32(place) }
    self.places = places
  }

  func ranks(_ left: Int, _ leftScore: Float, before right: Int, _ rightScore: Float) -> Bool {
    leftScore > rightScore || (leftScore == rightScore && places[left] < places[right])
  }

  /// The best `k` passages, best first.
  func top(_ k: Int, of scores: ArraySlice<Float>) -> [Int] {
    // Inserting into the best costs k for each that is better than the worst of them: with many, sorting is cheaper.
    guard k < scores.count / 16 else { return Array(sorted(scores).prefix(k)) }
    var best = BestPassages(k, in: self)
    best.add(scores, from: 0)
    return best.hits.map(\.passage)
  }

  /// Sorts numbers that are in the order of scores, then of places; comparing passages one by one is slower.
  private func sorted(_ scores: ArraySlice<Float>) -> [Int] {
    zip(scores, places).map { score, place in
      let bits = (score + 0).bitPattern  // −0 becomes 0
      let ascending = score < 0 ? ~bits : bits | 1 << 31
      return UInt64(~ascending) << 32 | UInt64(place)
    }
    .sorted().map { passages[Int($0 & 0xFFFF_FFFF)] }
  }

  /// The rank of one passage among all, from 1.
  func rank(of passage: Int, in scores: ArraySlice<Float>) -> Int {
    scores.withUnsafeBufferPointer { scores in
      let own = scores[passage]
      var rank = 1
      for index in scores.indices where scores[index] >= own && ranks(index, scores[index], before: passage, own) {
        rank += 1
      }
      return rank
    }
  }
}

/// The best passages for a query among those that it was shown, best first.
struct BestPassages {
  typealias Hit = (passage: Int, score: Float)
  private let most: Int
  private let order: TieOrder
  private(set) var hits: [Hit] = []

  init(_ most: Int, in order: TieOrder) {
    self.most = most
    self.order = order
  }

  /// - Parameter first: the passage that the first score belongs to.
  mutating func add(_ scores: ArraySlice<Float>, from first: Int) {
    guard most > 0 else { return }
    scores.withUnsafeBufferPointer { scores in
      for (index, score) in scores.enumerated() {
        let passage = first + index
        if hits.count == most {
          let worst = hits[most - 1]
          guard score >= worst.score, order.ranks(passage, score, before: worst.passage, worst.score) else { continue }
          hits.removeLast()
        }
        var low = 0
        var high = hits.count
        while low < high {
          let middle = (low + high) / 2
          if order.ranks(hits[middle].passage, hits[middle].score, before: passage, score) {
            low = middle + 1
          } else {
            high = middle
          }
        }
        hits.insert((passage, score), at: low)
      }
    }
  }
}
