/// The losses of policy gradients over groups of completions: GRPO (Shao et al. 2024) with what BNPO, Dr. GRPO (Liu et al.
/// 2025), DAPO (Yu et al. 2025), CISPO (MiniMax 2025) and GSPO (Zheng et al. 2025) change, as TRL 1.16 computes them.
import Foundation

/// ℓ = −min(w·A, clip(w, 1 − ε, 1 + ε_high)·A) + β·k3 for each token, w = p/p_old, A the completion's advantage,
/// k3 = p_ref/p − ln(p_ref/p) − 1 (Schulman); what the kinds do with the tokens' ℓ is said there.
package struct PolicyLoss: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The mean over completions of each one's mean over its tokens.
    case grpo
    /// The mean over the batch's tokens.
    case bnpo
    /// The sum over tokens, divided by completions and the most tokens that one may have.
    case drGRPO = "dr_grpo"
    /// The mean over the tokens of all batches of the step.
    case dapo
    /// As `dapo`, of ℓ = −min(w, ε_high)·A·ln p + β·k3, the weight a constant.
    case cispo
  }
  /// What a ratio is of.
  package enum Level: String, Sendable, CaseIterable {
    case token
    /// w = exp(mean over the completion's tokens of ln(p/p_old)), one for all of them.
    case sequence
  }

  package var kind = Kind.dapo
  package var level = Level.token
  /// How far a ratio may fall below 1, and rise above it (of `cispo`: its most); `epsilonHigh` absent: `epsilon`.
  package var epsilon = 0.2
  package var epsilonHigh: Double?
  /// Weight of the divergence from the reference policy; 0: none.
  package var beta = 0.0
  /// Most tokens of a completion.
  package var longest: Int

  package init(longest: Int) { self.longest = longest }

  /// A completion as it was sampled.
  package struct Sample: Sendable, Codable, Hashable {
    package var advantage: Double
    /// ln p of each token when it was sampled.
    package var old: [Float]
    /// The same of the reference policy; empty without one.
    package var reference: [Float]
    /// Whether its tokens count.
    package var counts: Bool

    package init(advantage: Double, old: [Float], reference: [Float] = [], counts: Bool = true) {
      (self.advantage, self.old, self.reference, self.counts) = (advantage, old, reference, counts)
    }
  }

  /// Its parts are `kl` (with β), the mean ratio, and `clip_ratio`, the share of tokens that clipping kept from learning.
  /// - Parameters:
  ///   - outputs: ln p of every token, sample by sample.
  ///   - stepTokens: counted tokens of a batch of the step, on average over its batches; `dapo` and `cispo` divide by it.
  package func callAsFunction(outputs: [Double], samples: [Sample], stepTokens: Double) -> Loss {
    var gradient = Array(repeating: 0.0, count: outputs.count)
    var value = 0.0
    var (divergence, ratios, clipped) = (0.0, 0.0, 0.0)
    let counted = samples.reduce(0) { $0 + ($1.counts ? $1.old.count : 0) }
    var start = 0
    for sample in samples {
      let places = start..<start + sample.old.count
      start = places.upperBound
      guard sample.counts, !places.isEmpty else { continue }
      let share =
        switch kind {
        case .grpo: 1 / Double(samples.count * places.count)
        case .bnpo: 1 / Double(counted)
        case .drGRPO: 1 / Double(samples.count * longest)
        case .dapo, .cispo: 1 / max(1, stepTokens)
        }
      let logRatios = zip(places, sample.old).map { outputs[$0] - Double($1) }
      let mean = logRatios.reduce(0, +) / Double(places.count)
      for (index, place) in places.enumerated() {
        let ratio = exp(level == .token ? logRatios[index] : mean)
        let term = self.term(ratio, sample.advantage, logProbability: outputs[place])
        value += share * term.value
        // A sequence's ratio has 1/n of its slope from each token, and n terms that follow it: its slopes are alike.
        gradient[place] += share * term.slope
        ratios += ratio
        clipped += term.isClipped ? 1 : 0
        guard beta != 0 else { continue }
        let behind = Double(sample.reference[index]) - outputs[place]
        divergence += exp(behind) - behind - 1
        value += share * beta * (exp(behind) - behind - 1)
        gradient[place] += share * beta * (1 - exp(behind))
      }
    }
    let tokens = Double(max(1, counted))
    return Loss(
      value: value,
      parts: (beta == 0 ? [] : [Loss.Part(name: "kl", value: divergence / tokens)]) + [
        Loss.Part(name: "ratio", value: counted == 0 ? 1 : ratios / tokens),
        Loss.Part(name: "clip_ratio", value: clipped / tokens),
      ], gradient: gradient)
  }

  /// ℓ without its divergence, and dℓ/d ln p.
  private func term(
    _ ratio: Double, _ advantage: Double, logProbability: Double
  ) -> (value: Double, slope: Double, isClipped: Bool) {
    let high = epsilonHigh ?? epsilon
    if kind == .cispo {
      let weight = min(ratio, high)
      return (-weight * advantage * logProbability, -weight * advantage, ratio > high && advantage > 0)
    }
    let clip = min(max(ratio, 1 - epsilon), 1 + high)
    let isClipped = clip * advantage < ratio * advantage
    return (-min(ratio * advantage, clip * advantage), isClipped ? 0 : -ratio * advantage, isClipped)
  }
}

/// What rewards of a group's completions are worth to the policy.
package struct Advantages: Sendable {
  package enum Scale: String, Sendable, CaseIterable {
    /// By the deviation within the group.
    case group
    /// By that of all completions of the step.
    case batch
    case none
  }
  package var scale = Scale.group
  /// Whether each reward is normalised in its group before they are weighted and summed, and the sums over the step
  /// (GDPO, Liu et al. 2026), instead of the weighted sum in its group.
  package var normalizesEach = false
  private static let floor = 1e-4

  package init() {}

  /// (r − mean)/(deviation + 10⁻⁴), deviations with n − 1; of groups whose rewards are all alike 0.
  /// - Parameters:
  ///   - rewards: of every completion, group after group.
  ///   - weights: of each reward.
  ///   - group: completions of a group.
  package func callAsFunction(_ rewards: [[Double]], weights: [Double], group: Int) -> [Double] {
    let groups = stride(from: 0, to: rewards.count, by: group).map { $0..<min($0 + group, rewards.count) }
    func inGroups(_ values: [Double], _ body: ([Double]) -> [Double]) -> [Double] {
      groups.flatMap { body(Array(values[$0])) }
    }
    func centered(_ values: [Double]) -> [Double] {
      // All alike, they differ from their rounded mean by less than they are worth.
      guard let first = values.first, values.contains(where: { $0 != first }) else { return values.map { _ in 0 } }
      let mean = values.reduce(0, +) / Double(values.count)
      return values.map { $0 - mean }
    }
    func deviation(_ values: [Double]) -> Double {
      values.count < 2
        ? 0 : (centered(values).reduce(0) { $0 + $1 * $1 } / Double(values.count - 1)).squareRoot()
    }
    func normalized(_ values: [Double]) -> [Double] {
      let divisor = deviation(values) + Self.floor
      return centered(values).map { $0 / divisor }
    }
    if normalizesEach {
      let each = weights.indices.map { index in inGroups(rewards.map { $0[index] }, normalized) }
      return normalized(rewards.indices.map { row in zip(each, weights).reduce(0) { $0 + $1.0[row] * $1.1 } })
    }
    let sums = rewards.map { zip($0, weights).reduce(0) { $0 + $1.0 * $1.1 } }
    switch scale {
    case .group: return inGroups(sums, normalized)
    case .none: return inGroups(sums, centered)
    case .batch:
      let divisor = deviation(sums) + Self.floor
      return inGroups(sums, centered).map { $0 / divisor }
    }
  }
}
