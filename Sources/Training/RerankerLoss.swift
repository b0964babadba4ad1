/// Losses that teach a cross-encoder which passages of a query are better, as sentence-transformers' of the same names.
import Basics
import Foundation

/// The cross-encoder's loss of a batch of lists, each the passages of one query.
package struct RerankerLoss: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// Each passage alone: BinaryCrossEntropyLoss.
    case bce
    /// Every two passages of which one is better: RankNetLoss (Burges et al., 2005).
    case ranknet
    /// The distribution over a list: ListNetLoss (Cao et al., 2007).
    case listnet
    /// As `ranknet`, weighted by what an exchange of the two costs: LambdaLoss (Wang et al., 2018).
    case lambda
    /// The teacher's t₊ − t₋ of every positive and negative: MarginMSELoss (Hofstätter et al., 2020).
    case marginMSE = "margin_mse"
  }

  /// What `lambda` weighs two passages by.
  package enum Weighting: String, Sendable, CaseIterable {
    case none
    case ndcgLoss1 = "ndcg_loss1"
    case ndcgLoss2 = "ndcg_loss2"
    case lambdaRank = "lambda_rank"
    /// μ times that of `ndcg_loss2`, and that of `lambda_rank`.
    case ndcgLoss2PlusPlus = "ndcg_loss2pp"
  }

  package enum Logarithm: String, Sendable, CaseIterable { case binary, natural }

  /// What is known of a passage.
  package struct Judgement: Sendable, Hashable {
    /// How well it answers: 1 and 0, or grades of which more is better.
    package var label: Double
    /// The teacher's.
    package var logit: Double?

    package init(label: Double, logit: Double? = nil) { (self.label, self.logit) = (label, logit) }
  }

  package var kind = Kind.bce
  /// How much a positive of `bce` counts against a negative.
  package var positiveWeight = BinaryCrossEntropy().positiveWeight
  package var weighting = Weighting.ndcgLoss2PlusPlus
  package var mu = 10.0
  /// Pairs with a passage among the first `k` count; absent: all.
  package var k: Int?
  /// By which differences of logits are multiplied.
  package var sigma = 1.0
  /// Least DCG that gains are divided by.
  package var eps = 1e-10
  package var logarithm = Logarithm.binary

  package init() {}

  /// - Parameters:
  ///   - outputs: [passages of all lists, labels], the model's.
  ///   - labels: of the model's head. Of two, z₀ and z₁, the loss is that of z₁ − z₀: softmax gives the second
  ///     e^z₁/(e^z₀ + e^z₁) = σ(z₁ − z₀) and the first σ(z₀ − z₁), so that the cross-entropy over both is the binary one
  ///     of the difference, whose gradient is z₁'s, and with the other sign z₀'s.
  package func callAsFunction(outputs: [Double], labels: Int = 1, lists: [[Judgement]]) -> Loss {
    guard labels == 2 else { return loss(outputs, lists) }
    let differences = stride(from: 0, to: outputs.count, by: 2).map { outputs[$0 + 1] - outputs[$0] }
    var result = loss(differences, lists)
    result.gradient = result.gradient.flatMap { [-$0, $0] }
    return result
  }

  private func loss(_ logits: [Double], _ lists: [[Judgement]]) -> Loss {
    precondition(logits.count == lists.reduce(0) { $0 + $1.count }, "one logit for each passage")
    switch kind {
    case .bce:
      return BinaryCrossEntropy(positiveWeight: positiveWeight)(
        logits: logits, labels: lists.flatMap { $0.map(\.label) })
    case .ranknet: return mean(logits, lists) { order($0, $1, .none) }
    case .lambda: return mean(logits, lists) { order($0, $1, weighting) }
    case .listnet: return mean(logits, lists, distribution)
    case .marginMSE: return mean(logits, lists, margins)
    }
  }

  /// What a list adds to a batch's sums: values, how many, and their gradient.
  private typealias Sums = (value: Double, count: Int, gradient: [Double])

  private func mean(
    _ logits: [Double], _ lists: [[Judgement]], _ sums: (ArraySlice<Double>, [Judgement]) -> Sums
  ) -> Loss {
    var rest = logits[...]
    var (value, count, gradient) = (0.0, 0, [Double]())
    for list in lists {
      let added = sums(rest.prefix(list.count), list)
      rest = rest.dropFirst(list.count)
      value += added.value
      count += added.count
      gradient += added.gradient
    }
    let share = 1 / Double(max(1, count))
    return Loss(value: value * share, parts: [], gradient: gradient.map { $0 * share })
  }

  /// −w·ln σ(sigma·(xᵢ − xⱼ)) of each two passages, i better than j; `ndcg_loss1` has all two, also one with itself.
  private func order(_ slice: ArraySlice<Double>, _ list: [Judgement], _ weighting: Weighting) -> Sums {
    let logits = Array(slice)
    let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    let labels = order.map { list[$0].label }
    let weights = PairWeights(self, weighting, labels: labels)
    let unit = logarithm == .binary ? log(2.0) : 1
    let reach = k ?? order.count
    var sums: Sums = (0, 0, [Double](repeating: 0, count: logits.count))
    for (i, upper) in order.enumerated() {
      for (j, lower) in order.enumerated() where i < reach || j < reach {
        guard weighting == .ndcgLoss1 || labels[i] > labels[j] else { continue }
        let difference = sigma * (logits[upper] - logits[lower])
        let weight = weights(i, j) / unit
        sums.count += 1
        sums.value += weight * softplus(-difference)
        let gradient = weight * sigma * sigmoid(-difference)
        sums.gradient[upper] -= gradient
        sums.gradient[lower] += gradient
      }
    }
    return sums
  }

  /// −Σ p ln q, p = softmax(labels), q = softmax(logits).
  private func distribution(_ logits: ArraySlice<Double>, _ list: [Judgement]) -> Sums {
    let (all, wanted) = (logSumExp(logits), logSumExp(list.lazy.map(\.label)))
    var sums: Sums = (0, 1, [])
    for (logit, judgement) in zip(logits, list) {
      let share = exp(judgement.label - wanted)
      sums.value -= share * (logit - all)
      sums.gradient.append(exp(logit - all) - share)
    }
    return sums
  }

  /// ((x₊ − x₋) − (t₊ − t₋))² of every positive and negative.
  private func margins(_ logits: ArraySlice<Double>, _ list: [Judgement]) -> Sums {
    let excess = zip(logits, list).map { $0 - ($1.logit ?? .nan) }
    let positives = list.indices.filter { list[$0].label > 0 }
    let negatives = list.indices.filter { list[$0].label <= 0 }
    var sums: Sums = (0, positives.count * negatives.count, [Double](repeating: 0, count: list.count))
    for positive in positives {
      for negative in negatives {
        let difference = excess[positive] - excess[negative]
        sums.value += difference * difference
        sums.gradient[positive] += 2 * difference
        sums.gradient[negative] -= 2 * difference
      }
    }
    return sums
  }
}

/// What two places of a list count, in the order of its logits.
private struct PairWeights {
  private let weighting: RerankerLoss.Weighting
  private let mu: Double
  /// (2^label − 1)/the best DCG, of each place.
  private let gains: [Double]
  /// log₂(1 + place), places from 1.
  private let discounts: [Double]

  init(_ loss: RerankerLoss, _ weighting: RerankerLoss.Weighting, labels: [Double]) {
    (self.weighting, mu) = (weighting, loss.mu)
    let discounts = labels.indices.map { log2(Double(2 + $0)) }
    func gain(_ label: Double) -> Double { exp2(max(0, label)) - 1 }
    let best = zip(labels.sorted(by: >), discounts).prefix(loss.k ?? labels.count).reduce(0) {
      $0 + gain($1.0) / $1.1
    }
    gains = labels.map { gain($0) / max(loss.eps, best) }
    self.discounts = discounts
  }

  func callAsFunction(_ i: Int, _ j: Int) -> Double {
    switch weighting {
    case .none: 1
    case .ndcgLoss1: gains[i] / discounts[i]
    case .ndcgLoss2: apart(i, j) * change(i, j)
    case .lambdaRank: exchange(i, j) * change(i, j)
    case .ndcgLoss2PlusPlus: (mu * apart(i, j) + exchange(i, j)) * change(i, j)
    }
  }

  private func change(_ i: Int, _ j: Int) -> Double { abs(gains[i] - gains[j]) }
  private func exchange(_ i: Int, _ j: Int) -> Double { abs(1 / discounts[i] - 1 / discounts[j]) }
  private func apart(_ i: Int, _ j: Int) -> Double {
    let distance = abs(i - j)
    return distance == 0 ? 0 : abs(1 / discounts[distance - 1] - 1 / discounts[distance])
  }
}
