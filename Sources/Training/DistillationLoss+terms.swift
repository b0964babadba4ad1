/// The terms of the distillation loss, each a function of the cosines that adds its weighted gradient to them.
import Basics
import Foundation

/// Cosines between queries and candidates, and dL/dcos as the terms add to it.
struct ScoreMatrix {
  let queries: Int  // Q
  let candidates: Int  // K
  /// Candidates that each query is compared with: its own K, or all Q·K of the batch.
  private let columns: Int
  /// Whether s̃ is max(cos, 0).
  private let clamped: Bool
  private var cosines: [Double]  // [Q, columns]
  private var gradients: [Double]  // [Q, columns]

  init(groups: JudgedGroups, similarity: RowSimilarity, inBatch: Bool, clamped: Bool) {
    self.clamped = clamped
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
  /// s̃ = (cos + 1)/2, or max(cos, 0), in 0…1.
  func normalized(_ query: Int, _ candidate: Int) -> Double {
    let cosine = cosine(query, candidate)
    return clamped ? max(cosine, 0) : (cosine + 1) / 2
  }

  mutating func addGradient(_ gradient: Double, _ query: Int, _ candidate: Int) {
    gradients[index(query, candidate)] += gradient
  }

  /// dcos = ds̃ / 2; where s̃ is max(cos, 0), dcos = ds̃ above 0, else none.
  mutating func addNormalizedGradient(_ gradient: Double, _ query: Int, _ candidate: Int) {
    let slope = clamped ? (cosine(query, candidate) > 0 ? 1.0 : 0) : 0.5
    addGradient(slope * gradient, query, candidate)
  }

  func addGradients(to similarity: inout RowSimilarity) {
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
  /// Keeps logarithms finite.
  private static let epsilon = 1e-12

  /// Mean over queries of Σ p (ln(p + ε) − ln(q + ε)), p = softmax(t / teacher tau), q = softmax(x / tau), ε = 10⁻¹².
  func divergence(_ scores: inout ScoreMatrix, _ groups: JudgedGroups) -> Double {
    let scale = (scaleByTauSquared ? tau * tau : 1) / Double(scores.queries)
    var sum = 0.0
    for query in 0..<scores.queries {
      let own = scores.own(query)
      let teacher = own.map { candidate in
        let logit = groups.logits[candidate]
        return switch teacherScores {
        case .logit: logit / (teacherTau ?? 1)
        case .sigmoid: sigmoid(logit) / (teacherTau ?? tau)
        }
      }
      let student = own.map { candidate in
        (studentScores == .cosine ? scores.cosine(query, candidate) : scores.normalized(query, candidate)) / tau
      }
      let (teacherTotal, studentTotal) = (logSumExp(teacher), logSumExp(student))
      let p = teacher.map { exp($0 - teacherTotal) }
      let q = student.map { exp($0 - studentTotal) }
      // d/dx_j = (q_j·Σ p_i r_i − p_j r_j) / tau with r = q/(q + ε), which is 1 but for the smallest q.
      let share = zip(p, q).map { $0 * $1 / ($1 + Self.epsilon) }
      let total = share.reduce(0, +)
      for (place, candidate) in own.enumerated() {
        sum += p[place] * (log(p[place] + Self.epsilon) - log(q[place] + Self.epsilon))
        let gradient = klWeight * scale * (q[place] * total - share[place]) / tau
        switch studentScores {
        case .cosine: scores.addGradient(gradient, query, candidate)
        case .normalized, .relu: scores.addNormalizedGradient(gradient, query, candidate)
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

  /// relu(m − target) + ½ · mean over queries of relu(mean s̃₋ − target), m the mean s̃₋ of the whole batch's negatives;
  /// queries without negatives do not count.
  func negativePenalty(_ scores: inout ScoreMatrix, _ positives: [Bool]) -> Double {
    let sides = (0..<scores.queries).map { query in (query, scores.own(query).filter { !positives[$0] }) }
      .filter { !$0.1.isEmpty }
    let count = Double(sides.reduce(0) { $0 + $1.1.count })
    let queries = Double(sides.count)
    guard count > 0 else { return 0 }
    let means = sides.map { meanNormalized(scores, $0.0, $0.1) }
    let batchExcess = zip(sides, means).reduce(0) { $0 + $1.1 * Double($1.0.1.count) } / count - negativeTarget
    for ((query, negatives), mean) in zip(sides, means) {
      let own = mean > negativeTarget ? 0.5 / (Double(negatives.count) * queries) : 0
      let gradient = (batchExcess > 0 ? 1 / count : 0) + own
      for candidate in negatives {
        scores.addNormalizedGradient(negativePenaltyWeight * gradient, query, candidate)
      }
    }
    return max(batchExcess, 0) + means.reduce(0) { $0 + max($1 - negativeTarget, 0) } / queries / 2
  }

  private func meanNormalized(_ scores: ScoreMatrix, _ query: Int, _ candidates: [Int]) -> Double {
    candidates.reduce(0) { $0 + scores.normalized(query, $1) } / Double(candidates.count)
  }
}
