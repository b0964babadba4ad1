/// The label losses' formulas, each a function of similarities that adds its gradient to them.
import Foundation

/// A similarity that stands in a softmax.
private struct Term {
  /// Rows.
  let left, right: Int
  let similarity: Double
  /// s/τ, and what hardness adds.
  let logit: Double
}

extension LabelLoss {
  /// Mean over queries of −(z₊ − mean over softmaxes of ln Σ eᶻ), z = s/τ.
  func softmaxLoss(
    _ similarity: inout RowSimilarity, _ batch: LabelledBatch, tau: Double, weight: Double
  ) -> (value: Double, slope: Double) {
    let documents = Documents(of: batch)
    let share = weight / Double(batch.queries.count)
    var (sum, slope) = (0.0, 0.0)
    for query in batch.queries {
      let own = similarity.between(query.query, query.positive)
      let limit = falseNegatives?.limit(batch.guide?(query.query, query.positive) ?? own)
      var softmaxes = candidates(of: query, batch, documents).map { pairs in
        pairs.compactMap { left, right -> Term? in
          let value = similarity.between(left, right)
          let isPositive =
            (left, right) == (query.query, query.positive) || (right, left) == (query.query, query.positive)
          if let limit, !isPositive, batch.guide?(left, right) ?? value > limit { return nil }
          let added = isPositive || left != query.query ? 0 : hardness(of: right, query, documents) * value
          return Term(left: left, right: right, similarity: value, logit: value / tau + added)
        }
      }
      if partition == .joint { softmaxes = [softmaxes.flatMap(\.self)] }
      sum -= own / tau
      similarity.addGradient(-share / tau, between: query.query, and: query.positive)
      slope += share * own / tau
      for terms in softmaxes {
        let total = logSumExp(terms.lazy.map(\.logit))
        sum += total / Double(softmaxes.count)
        for term in terms {
          let gradient = share / Double(softmaxes.count) * exp(term.logit - total) / tau
          similarity.addGradient(gradient, between: term.left, and: term.right)
          slope -= gradient * term.similarity
        }
      }
    }
    return (sum / Double(batch.queries.count), slope)
  }

  /// The pairs of rows of each direction's softmax. The first direction is from the query, and has its positive.
  private func candidates(
    of query: LabelledBatch.Query, _ batch: LabelledBatch, _ documents: Documents
  ) -> [[(Int, Int)]] {
    if kind == .ce { return [([query.positive] + query.negatives).map { (query.query, $0) }] }
    let own = query.known.union(query.negatives)
    return directions.map { direction in
      switch direction {
      case .queryToDoc:
        documents.rows.filter { $0 == query.positive || !query.known.contains($0) }.map { (query.query, $0) }
      case .docToQuery:
        batch.queries.filter { $0.query == query.query || !$0.known.contains(query.positive) }
          .map { (query.positive, $0.query) }
      case .queryToQuery:
        batch.queries.filter { $0.query != query.query }.map { (query.query, $0.query) }
      case .docToDoc:
        documents.rows.filter { !own.contains($0) }.map { (query.positive, $0) }
      case .positiveToPositive:
        documents.rows.filter { documents.positives.contains($0) && !own.contains($0) }.map { (query.positive, $0) }
      }
    }
  }

  /// α where a document's logit grows by α·s.
  private func hardness(of document: Int, _ query: LabelledBatch.Query, _ documents: Documents) -> Double {
    let isOwn = query.negatives.contains(document)
    return switch hardness {
    case .none: 0
    case .inBatchNegatives: documents.contains(document) && !isOwn ? hardnessStrength : 0
    case .hardNegatives: isOwn ? hardnessStrength : 0
    case .allNegatives: documents.contains(document) ? hardnessStrength : 0
    }
  }

  /// Mean over all pairs of a positive with one of its query's negatives of ((s₊ − s₋)/τ − (t₊ − t₋))².
  func marginLoss(
    _ similarity: inout RowSimilarity, _ batch: LabelledBatch, tau: Double, weight: Double
  ) -> (value: Double, slope: Double) {
    let count = Double(batch.queries.reduce(0) { $0 + $1.negatives.count })
    var (sum, slope) = (0.0, 0.0)
    for query in batch.queries {
      let positive = similarity.between(query.query, query.positive)
      for (negative, score) in zip(query.negatives, query.scores.dropFirst()) {
        let margin = (positive - similarity.between(query.query, negative)) / tau
        let excess = margin - (query.scores[0] - score)
        sum += excess * excess
        let gradient = 2 * weight * excess / count
        similarity.addGradient(gradient / tau, between: query.query, and: query.positive)
        similarity.addGradient(-gradient / tau, between: query.query, and: negative)
        slope -= gradient * margin
      }
    }
    return count == 0 ? (0, 0) : (sum / count, slope)
  }

  /// ln(1 + Σ e^(zⱼ − zᵢ)) over pairs i, j of the batch with label i above label j, z = s/τ.
  func orderLoss(
    _ similarity: inout RowSimilarity, _ batch: LabelledBatch, tau: Double, weight: Double
  ) -> (value: Double, slope: Double) {
    let pairs = batch.queries.flatMap { query in
      zip([query.positive] + query.negatives, query.scores).map { (query: query.query, document: $0, label: $1) }
    }
    let order = pairs.indices.sorted { (pairs[$0].label, $0) < (pairs[$1].label, $1) }
    let logits = order.map { similarity.between(pairs[$0].query, pairs[$0].document) / tau }
    let labels = order.map { pairs[$0].label }
    // Where labels above a pair's own begin.
    var above = [Int](repeating: order.count, count: order.count)
    for index in order.indices.reversed().dropFirst() {
      above[index] = labels[index] < labels[index + 1] ? index + 1 : above[index + 1]
    }
    let higher = suffixSums(logits.map { -$0 })
    let sums = order.indices.map { logits[$0] + higher[above[$0]] }
    let total = logSumExp([0] + sums)
    // dL/dz of a pair as the lower one is its sum's share of the whole; as the higher one, −e^(−z) times what the pairs
    // below it have in e^z.
    let below = prefixSums(logits)
    var start = 0
    var slope = 0.0
    for (index, pair) in order.enumerated() {
      if index > 0, labels[index] > labels[index - 1] { start = index }
      let gradient = weight * (exp(sums[index] - total) - exp(below[start] - logits[index] - total))
      similarity.addGradient(gradient / tau, between: pairs[pair].query, and: pairs[pair].document)
      slope -= gradient * logits[index]
    }
    return (total, slope)
  }
}

/// The documents of a batch, in order of their first use.
private struct Documents {
  let rows: [Int]
  let positives: Set<Int>
  private let all: Set<Int>

  init(of batch: LabelledBatch) {
    var seen: Set<Int> = []
    rows = (batch.queries.map(\.positive) + batch.queries.flatMap(\.negatives)).filter { seen.insert($0).inserted }
    positives = Set(batch.queries.map(\.positive))
    all = seen
  }

  func contains(_ row: Int) -> Bool { all.contains(row) }
}

/// ln Σ eˣ of the first 0, 1, … values.
private func prefixSums(_ values: [Double]) -> [Double] {
  values.reduce(into: [-Double.infinity]) { $0.append(logSumExp([$0[$0.count - 1], $1])) }
}

/// ln Σ eˣ of the values from 0, 1, … on, and of none.
private func suffixSums(_ values: [Double]) -> [Double] { prefixSums(values.reversed()).reversed() }
