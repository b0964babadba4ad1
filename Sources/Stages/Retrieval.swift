/// Scores of every passage of a pool for queries, by whatever can tell: an encoder, BM25.

/// Scores all passages for each query of a list.
protocol Retriever {
  /// Calls `body` for each query in order, with the scores of all passages.
  func forEachQuery(_ body: (_ query: Int, _ scores: ArraySlice<Float>) throws -> Void) rethrows
}

struct DenseRetriever: Retriever {
  let queries: Embeddings
  let passages: Embeddings

  func forEachQuery(_ body: (Int, ArraySlice<Float>) throws -> Void) rethrows {
    let packed = passages.packed
    for start in stride(from: 0, to: queries.count, by: Embeddings.blockRows) {
      let block = queries.products(from: start, with: packed)
      for row in 0..<min(Embeddings.blockRows, queries.count - start) {
        try body(start + row, block[row * passages.count..<(row + 1) * passages.count])
      }
    }
  }
}

struct LexicalRetriever: Retriever {
  let queries: [String]
  let index: BM25

  func forEachQuery(_ body: (Int, ArraySlice<Float>) throws -> Void) rethrows {
    for (number, query) in queries.enumerated() { try body(number, index.scores(query)[...]) }
  }
}

/// The order of passages under equal scores: ids descending, byte by byte, as trec_eval sorts them.
struct TieOrder {
  /// For each passage, its place among all ids in descending order.
  let places: [Int32]

  init(ids: [String]) {
    let order = ids.indices.sorted { ids[$1].utf8.lexicographicallyPrecedes(ids[$0].utf8) }
    var places = [Int32](repeating: 0, count: ids.count)
    for (place, index) in order.enumerated() { places[index] = Int32(place) }
    self.places = places
  }

  func ranks(_ left: Int, _ leftScore: Float, before right: Int, _ rightScore: Float) -> Bool {
    leftScore > rightScore || (leftScore == rightScore && places[left] < places[right])
  }

  /// The best `k` passages, best first.
  func top(_ k: Int, of scores: ArraySlice<Float>) -> [Int] {
    var best: [Int] = []
    scores.withUnsafeBufferPointer { scores in
      for index in scores.indices {
        if best.count == k, !ranks(index, scores[index], before: best[k - 1], scores[best[k - 1]]) { continue }
        if best.count == k { best.removeLast() }
        var low = 0
        var high = best.count
        while low < high {
          let middle = (low + high) / 2
          if ranks(best[middle], scores[best[middle]], before: index, scores[index]) {
            low = middle + 1
          } else {
            high = middle
          }
        }
        best.insert(index, at: low)
      }
    }
    return best
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
