/// The policy's task: completions of prompts, sampled as training goes, and what rewards say of them.
import Foundation
import Models
import Tensors

/// What a policy said.
package struct SampledText: Sendable, Codable, Hashable {
  package var tokens: [Int32]
  /// ln p of each when it was sampled.
  package var logProbabilities: [Float]
  /// Whether it was cut off.
  package var isTruncated: Bool

  package init(tokens: [Int32], logProbabilities: [Float], isTruncated: Bool) {
    (self.tokens, self.logProbabilities, self.isTruncated) = (tokens, logProbabilities, isTruncated)
  }
}

/// Where a policy acts.
package protocol PolicyEnvironment: AnyObject {
  /// What the model as it is says to each of the prompts, `samples` times. The same for the same model, epoch and round.
  /// - Parameters:
  ///   - prompts: by number, each once.
  ///   - round: 0 at first; more where prompts are asked again in an epoch.
  func sample(_ prompts: [Int], samples: Int, epoch: Int, round: Int) throws -> [[SampledText]]
  /// Every reward of every sample of a prompt.
  func rewards(_ samples: [(prompt: Int, texts: [SampledText])]) throws -> [[[Double]]]
  /// Writes down what will be learnt from.
  func record(epoch: Int, _ samples: [(prompt: Int, texts: [SampledText])], rewards: [[[Double]]]) throws
  /// How much is written down.
  var recorded: Int { get throws }
  /// Forgets what was written down after so much. Throws if so much is not there.
  func forget(after recorded: Int) throws
}

package final class PolicyTask: TrainingTask {
  package struct Prompt: Sendable {
    package var id: String
    package var ids: [Int32]

    package init(id: String, ids: [Int32]) { (self.id, self.ids) = (id, ids) }
  }

  package struct Settings: Sendable {
    /// Completions of a prompt.
    package var group = 8
    /// Steps that learn from the same completions.
    package var updates = 1
    /// Batches of a step.
    package var accumulation = 1
    /// How often groups whose outcomes are alike are drawn anew.
    package var redraws = 0
    /// The reward that is the outcome; absent: no group is drawn anew.
    package var outcome: Int?
    /// Whether completions that were cut off do not count.
    package var masksTruncated = false
    package var loss: PolicyLoss
    package var advantages = Advantages()
    /// Names and weights of the rewards.
    package var rewards: [(name: String, weight: Double)] = []

    package init(loss: PolicyLoss) { self.loss = loss }
  }

  private let prompts: [Prompt]
  private let policy: Policy
  private let environment: any PolicyEnvironment
  private let settings: Settings

  /// A batch's completions: all that its loss needs.
  private struct Rollout: Codable {
    var epoch: Int
    /// By number.
    var prompts: [Int]
    var samples: [[SampledText]]
    /// [prompts][samples][rewards]
    var rewards: [[[Double]]]
    /// Of the reference policy; empty without one.
    var reference: [[Float]]
    /// Steps that have learnt from it.
    var updates = 0
  }

  /// The batches of one step: what is an average over the step is known when all of them are made.
  private final class Step {
    var rollouts: [Rollout] = []
    private var advantages: [[Double]]?

    /// By batch, sample after sample.
    func advantages(_ settings: Settings) -> [[Double]] {
      if let advantages { return advantages }
      var all = settings.advantages(
        rollouts.flatMap { $0.rewards.flatMap { $0 } }, weights: settings.rewards.map(\.weight), group: settings.group)[
          ...]
      let parts = rollouts.map { rollout in
        let count = rollout.samples.reduce(0) { $0 + $1.count }
        defer { all = all.dropFirst(count) }
        return Array(all.prefix(count))
      }
      advantages = parts
      return parts
    }

    /// Counted tokens of a batch, on average.
    func tokens(_ settings: Settings) -> Double {
      let counted = rollouts.flatMap { $0.samples.joined() }
        .filter { !settings.masksTruncated || !$0.isTruncated }.reduce(0) { $0 + $1.tokens.count }
      return Double(counted) / Double(rollouts.count)
    }
  }
  private var step = Step()
  /// The last that was made.
  private var latest: Rollout?

  /// - Parameter prompts: none empty.
  package init(_ prompts: [Prompt], _ policy: Policy, in environment: any PolicyEnvironment, _ settings: Settings) {
    (self.prompts, self.policy, self.environment, self.settings) = (prompts, policy, environment, settings)
  }

  package var itemCount: Int { prompts.count }
  package var followsModel: Bool { true }

  /// Each so often, one after the other, as its completions are learnt from.
  package func batches(of size: Int, epoch: Int, _ draws: SeededDraws) -> [[Int]] {
    draws.order(of: prompts.count, epoch: epoch).batches(of: size)
      .flatMap { Array(repeating: $0, count: settings.updates) }
  }

  package func batchCount(of size: Int, epoch: Int, _ draws: SeededDraws) -> Int {
    (prompts.count + size - 1) / size * settings.updates
  }

  package func batch(of items: [Int], epoch: Int) throws -> TrainingBatch {
    if step.rollouts.count == settings.accumulation || step.rollouts.first?.epoch != epoch { step = Step() }
    var rollout = try unfinished(items, epoch) ?? rollout(items, epoch)
    rollout.updates += 1
    latest = rollout
    let (step, number, settings) = (step, step.rollouts.count, settings)
    step.rollouts.append(rollout)
    let texts = zip(items, rollout.samples).flatMap { item, samples in
      samples.map { PromptedText(prompt: prompts[item].ids, continuation: $0.tokens) }
    }
    return TrainingBatch(
      sequences: Policy.batch(texts), records: items.map { prompts[$0].id },
      loss: { outputs in
        Self.loss(
          outputs, rollout, advantages: step.advantages(settings)[number], stepTokens: step.tokens(settings), settings)
      })
  }

  /// What is to be learnt from once more.
  private func unfinished(_ items: [Int], _ epoch: Int) -> Rollout? {
    guard let latest, latest.epoch == epoch, latest.prompts == items, latest.updates < settings.updates else {
      return nil
    }
    return latest
  }

  // MARK: - Sampling

  private func rollout(_ items: [Int], _ epoch: Int) throws -> Rollout {
    var samples = try environment.sample(items, samples: settings.group, epoch: epoch, round: 0)
    var rewards = try environment.rewards(Array(zip(items, samples)))
    for round in 0..<settings.redraws {
      let dead = items.indices.filter { isDead(rewards[$0]) }
      if dead.isEmpty { break }
      let chosen = dead.map { items[$0] }
      let again = try environment.sample(chosen, samples: settings.group, epoch: epoch, round: round + 1)
      for (place, (texts, values)) in zip(dead, zip(again, try environment.rewards(Array(zip(chosen, again))))) {
        (samples[place], rewards[place]) = (texts, values)
      }
    }
    try environment.record(epoch: epoch, Array(zip(items, samples)), rewards: rewards)
    let texts = zip(items, samples).flatMap { item, group in
      group.map { PromptedText(prompt: prompts[item].ids, continuation: $0.tokens) }
    }
    return Rollout(
      epoch: epoch, prompts: items, samples: samples, rewards: rewards,
      reference: settings.loss.beta == 0 ? [] : try policy.reference(texts))
  }

  /// Whether all of a group have the same outcome.
  private func isDead(_ rewards: [[Double]]) -> Bool {
    guard let outcome = settings.outcome else { return false }
    return rewards.allSatisfy { $0[outcome] == rewards[0][outcome] }
  }

  // MARK: - Loss

  private static func loss(
    _ outputs: [Double], _ rollout: Rollout, advantages: [Double], stepTokens: Double, _ settings: Settings
  ) -> Loss {
    let texts = rollout.samples.flatMap { $0 }
    let samples = texts.enumerated().map { index, text in
      PolicyLoss.Sample(
        advantage: advantages[index], old: text.logProbabilities,
        reference: rollout.reference.isEmpty ? [] : rollout.reference[index],
        counts: !settings.masksTruncated || !text.isTruncated)
    }
    var loss = settings.loss(outputs: outputs, samples: samples, stepTokens: stepTokens)
    loss.parts += statistics(rollout, texts, settings).map { Loss.Part(name: $0, value: $1) }
    if rollout.updates == 1 {
      let sampled = texts.flatMap(\.logProbabilities)
      let off = zip(outputs, sampled).count { $0 != Double($1) }
      loss.parts.append(Loss.Part(name: offPolicy, value: Double(off) / Double(max(1, sampled.count))))
    } else {
      loss.parts.append(Loss.Part(name: offPolicy, value: 0))
    }
    return loss
  }

  /// Share of tokens whose ln p, computed again before anything is learnt from them, is not bit for bit what it was.
  package static let offPolicy = "off_policy"

  /// Names of what each step reports of its completions, besides the loss's own.
  package static func statistics(rewards: [String]) -> [String] {
    ["reward"] + rewards.map { "\($0).reward" } + ["entropy", "length", "truncated", "dead_groups", "flat_groups"]
  }

  private static func statistics(
    _ rollout: Rollout, _ texts: [SampledText], _ settings: Settings
  ) -> [(String, Double)] {
    let rewards = rollout.rewards.flatMap { $0 }
    let groups = Double(max(1, rollout.rewards.count))
    let logs = texts.flatMap(\.logProbabilities)
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
    func sum(_ values: [Double]) -> Double { zip(values, settings.rewards).reduce(0) { $0 + $1.0 * $1.1.weight } }
    let flat = rollout.rewards.count { group in group.allSatisfy { sum($0) == sum(group[0]) } }
    let dead = settings.outcome.map { outcome in
      rollout.rewards.count { group in group.allSatisfy { $0[outcome] == group[0][outcome] } }
    }
    let values =
      [mean(rewards.map(sum))] + settings.rewards.indices.map { index in mean(rewards.map { $0[index] }) } + [
        mean(logs.map { -Double($0) }), mean(texts.map { Double($0.tokens.count) }),
        mean(texts.map { $0.isTruncated ? 1 : 0 }), Double(dead ?? flat) / groups, Double(flat) / groups,
      ]
    return Array(zip(statistics(rewards: settings.rewards.map(\.name)), values))
  }

  // MARK: - State

  private struct Saved: Codable {
    var recorded: Int
    /// What will be learnt from once more.
    var rollout: Rollout?
  }

  package func saved() throws -> Data? {
    let rollout = latest.flatMap { $0.updates < settings.updates ? $0 : nil }
    return try JSONEncoder().encode(Saved(recorded: environment.recorded, rollout: rollout))
  }

  package func restore(_ saved: Data?) throws {
    let state = try saved.map { try JSONDecoder().decode(Saved.self, from: $0) }
    try environment.forget(after: state?.recorded ?? 0)
    (step, latest) = (Step(), state?.rollout)
  }

  // MARK: - Memory

  package var heaviestChunk: [Int] { chunk(completion: settings.loss.longest) }

  package var remedies: [(change: String, chunk: [Int])] {
    let half = max(1, settings.loss.longest / 2)
    return [("max_new_tokens: \(half)", chunk(completion: half))]
  }

  private func chunk(completion: Int) -> [Int] {
    let longest = prompts.map(\.ids.count).sorted(by: >).prefix(sequencesPerChunk)
    return Array(longest.flatMap { Array(repeating: $0 + completion, count: settings.group) }.prefix(sequencesPerChunk))
  }
}
