/// The terms of the distillation loss, each a function of the cosines that adds its weighted gradient to them.
import Foundation

/// Cosines between queries and candidates, and dL/dcos as the terms add to it.
struct ScoreMatrix {
  let queries: Int  // Q
  let candidates: Int  // K
  /// Candidates that each query is compared with: its own K, or all Q·K of the batch.
  private let columns: Int
  private var cosines: [Double]  // [Q, columns]
  private var gradients: [Double]  // [Q, columns]

  init(groups: JudgedGroups, similarity: CosineSimilarity, inBatch: Bool) {
    queries = groups.queries
    candidates = groups.candidates
    columns = inBatch ? queries * candidates : candidates
    cosines = []
    gradients = [Double](repeating: 0, count: queries * columns)
    cosines.reserveCapacity(queries * columns)
    for query in 0..<queries {
      for candidate in self.columns(of: query) {
        cosines.append(similarity.between(queryRow(query), candidateRow(candidate)))
      }
    }
  }

  /// Candidates are counted over the batch: query q's own are q·K ..< (q + 1)·K.
  func own(_ query: Int) -> Range<Int> { query * candidates..<(query + 1) * candidates }
  func columns(of query: Int) -> Range<Int> { columns == candidates ? own(query) : 0..<columns }
  func cosine(_ query: Int, _ candidate: Int) -> Double { cosines[index(query, candidate)] }
  /// s̃ = (cos + 1)/2, in 0…1.
  func normalized(_ query: Int, _ candidate: Int) -> Double { (cosine(query, candidate) + 1) / 2 }

  mutating func addGradient(_ gradient: Double, _ query: Int, _ candidate: Int) {
    gradients[index(query, candidate)] += gradient
  }

  /// dcos = ds̃ / 2.
  mutating func addNormalizedGradient(_ gradient: Double, _ query: Int, _ candidate: Int) {
    addGradient(gradient / 2, query, candidate)
  }

  func addGradients(to similarity: inout CosineSimilarity) {
    for query in 0..<queries {
      for candidate in columns(of: query) {
        similarity.addGradient(
          gradients[index(query, candidate)], between: queryRow(query), and: candidateRow(candidate))
      }
    }
  }

  private func index(_ query: Int, _ candidate: Int) -> Int {
    query * columns + candidate - columns(of: query).lowerBound
  }
  private func queryRow(_ query: Int) -> Int { query * (candidates + 1) }
  private func candidateRow(_ candidate: Int) -> Int { candidate + candidate / candidates + 1 }
}

extension DistillationLoss {
  /// Mean over queries of Σ p (ln p − ln q), p = softmax(t / teacher tau), q = softmax(x / tau).
  func divergence(_ scores: inout ScoreMatrix, _ groups: JudgedGroups) -> Double {
    let scale = (scaleByTauSquared ? tau * tau : 1) / Double(scores.queries)
    var sum = 0.0
    for query in 0..<scores.queries {
      let own = scores.own(query)
      let teacher = own.map { candidate in
        let logit = groups.logits[candidate]
        return (teacherScores == .logit ? logit : sigmoid(logit)) / (teacherTau ?? tau)
      }
      let student = own.map { candidate in
        (studentScores == .cosine ? scores.cosine(query, candidate) : scores.normalized(query, candidate)) / tau
      }
      let (teacherTotal, studentTotal) = (logSumExp(teacher), logSumExp(student))
      for (candidate, (t, x)) in zip(own, zip(teacher, student)) {
        let p = exp(t - teacherTotal)
        let q = exp(x - studentTotal)
        sum += p * ((t - teacherTotal) - (x - studentTotal))
        let gradient = klWeight * scale * (q - p) / tau
        switch studentScores {
        case .cosine: scores.addGradient(gradient, query, candidate)
        case .normalized: scores.addNormalizedGradient(gradient, query, candidate)
        }
      }
    }
    return sum * scale
  }

  /// Mean over queries of relu(margin − (mean s̃₊ − mean s̃₋)); a query without positives or without negatives has no
  /// margin and is left out.
  func marginLoss(_ scores: inout ScoreMatrix, _ positives: [Bool]) -> Double {
    let sides = (0..<scores.queries).map { query in
      (query, scores.own(query).filter { positives[$0] }, scores.own(query).filter { !positives[$0] })
    }.filter { !$0.1.isEmpty && !$0.2.isEmpty }
    var sum = 0.0
    for (query, up, down) in sides {
      let distance = meanNormalized(scores, query, up) - meanNormalized(scores, query, down)
      guard distance < margin else { continue }
      sum += margin - distance
      let scale = contrastiveWeight / Double(sides.count)
      for candidate in up { scores.addNormalizedGradient(-scale / Double(up.count), query, candidate) }
      for candidate in down { scores.addNormalizedGradient(scale / Double(down.count), query, candidate) }
    }
    return sides.isEmpty ? 0 : sum / Double(sides.count)
  }

  /// Mean over the batch's positives of −ln(e^(c₊/T) / (e^(c₊/T) + Σ e^(c₋/T))), where the negatives are the query's
  /// own and every candidate of another query that is not known to answer this one (van den Oord et al., 2018).
  func infoNCE(_ scores: inout ScoreMatrix, _ positives: [Bool], _ groups: JudgedGroups) -> Double {
    let count = positives.reduce(0) { $0 + ($1 ? 1 : 0) }
    var sum = 0.0
    for query in 0..<scores.queries {
      let own = scores.own(query)
      let known = groups.knownPositives[query].union(own.filter { positives[$0] }.map { groups.passages[$0] })
      let negatives = scores.columns(of: query).filter { candidate in
        own.contains(candidate) ? !positives[candidate] : !known.contains(groups.passages[candidate])
      }
      for positive in own where positives[positive] {
        let compared = [positive] + negatives
        let sharpened = compared.map { scores.cosine(query, $0) / contrastiveTemperature }
        let total = logSumExp(sharpened)
        sum += total - sharpened[0]
        let scale = contrastiveWeight / (Double(count) * contrastiveTemperature)
        for (candidate, x) in zip(compared, sharpened) {
          let target = candidate == positive ? 1.0 : 0
          scores.addGradient(scale * (exp(x - total) - target), query, candidate)
        }
      }
    }
    return count == 0 ? 0 : sum / Double(count)
  }

  /// ½ [mean over the batch's negatives of relu(s̃₋ − target)² + mean over queries of relu(mean s̃₋ − target)²].
  func negativePenalty(_ scores: inout ScoreMatrix, _ positives: [Bool]) -> Double {
    let sides = (0..<scores.queries).map { query in (query, scores.own(query).filter { !positives[$0] }) }
      .filter { !$0.1.isEmpty }
    let count = Double(sides.reduce(0) { $0 + $1.1.count })
    let queries = Double(sides.count)
    var single = 0.0
    var mean = 0.0
    for (query, negatives) in sides {
      let meanExcess = max(meanNormalized(scores, query, negatives) - negativeTarget, 0)
      mean += meanExcess * meanExcess
      for candidate in negatives {
        let excess = max(scores.normalized(query, candidate) - negativeTarget, 0)
        single += excess * excess
        let gradient = excess / count + meanExcess / (Double(negatives.count) * queries)
        scores.addNormalizedGradient(negativePenaltyWeight * gradient, query, candidate)
      }
    }
    return sides.isEmpty ? 0 : (single / count + mean / queries) / 2
  }

  private func meanNormalized(_ scores: ScoreMatrix, _ query: Int, _ candidates: [Int]) -> Double {
    candidates.reduce(0) { $0 + scores.normalized(query, $1) } / Double(candidates.count)
  }
}
