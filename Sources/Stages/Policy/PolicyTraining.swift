/// What the stages that train a policy have in common: parameters, and the training by rewards.
import Foundation
import Models
import Pipelines
import Tensors
import Training

extension PolicyLoss.Kind: ParameterChoice {}
extension PolicyLoss.Level: ParameterChoice {}
extension Advantages.Scale: ParameterChoice {}

/// Names and defaults as in TRL.
struct PolicyParameters: ParameterGroup {
  enum BestMetric: String, ParameterChoice { case reward, outcome }

  enum Aggregation: String, ParameterChoice {
    case sumThenNormalize = "sum_then_normalize"
    /// GDPO.
    case normalizeThenSum = "normalize_then_sum"
  }

  @Parameter("Completions of a prompt, which are held against each other.", in: 2...4096) var numGenerations = 8
  @Parameter("Steps that learn from the same completions.", in: 1...1000) var numIterations = 1
  @Parameter("How tokens' losses are averaged, or `cispo`.") var lossType = PolicyLoss.Kind.dapo
  @Parameter("What a ratio is of: `token`, or `sequence` (GSPO).") var importanceSamplingLevel = PolicyLoss.Level.token
  @Parameter("How far a ratio may fall below 1.", in: 0...1) var epsilon = 0.2
  @Parameter(
    "How far it may rise above 1; with `loss_type: cispo` the most that it may be. Absent: `epsilon`.", in: 0...1e6)
  var epsilonHigh: Double?
  @Parameter("Weight of the divergence from the base; 0: the base is not asked.", in: 0...1e6) var beta = 0.0
  @Parameter(
    "What rewards less their group's mean are divided by: the deviation of the group, of the step, or nothing.")
  var scaleRewards = Advantages.Scale.group
  @Parameter("Whether rewards are summed and then normalised, or each is normalised first (GDPO).")
  var multiObjectiveAggregation = Aggregation.sumThenNormalize
  @Parameter("Whether completions that were cut at `max_new_tokens` are not learnt from.")
  var maskTruncatedCompletions = false
  @Parameter("How often a group is drawn anew whose outcomes are all alike.", in: 0...1000) var redraws = 0
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.reward

  init() {}

  static let metrics =
    TrainingParameters.metrics(validation: BestMetric.allCases.map(\.rawValue)) + [
      MetricDescription(
        "reward", "Mean of the rewards' weighted sum; `exact.reward` is that of one reward without its weight.", .higher
      ),
      MetricDescription("kl", "Mean divergence of the reference policy from the policy, a token (k3).", nil),
      MetricDescription("ratio", "Mean ratio of a token's probability to what it was when it was sampled.", nil),
      MetricDescription("clip_ratio", "Share of tokens that clipping keeps from learning.", nil),
      MetricDescription(
        "off_policy", "Share of tokens whose probability is not, bit for bit, the one it was sampled with.", .lower),
      MetricDescription("entropy", "Mean −ln p of the tokens that were sampled.", nil),
      MetricDescription("length", "Mean tokens of a completion.", nil),
      MetricDescription("truncated", "Share of completions that were cut at `max_new_tokens`.", .lower),
      MetricDescription("dead_groups", "Share of groups whose outcomes are all alike.", .lower),
      MetricDescription(
        "flat_groups", "Share of groups whose rewards are all alike: nothing is learnt from them.", .lower),
    ]

  private static let reason =
    "a policy learns from the probabilities that it was sampled with, and dropout would change them before it has"

  func problems(_ training: TrainingParameters, temperature: Double) -> [String] {
    var problems: [String] = []
    if let lora = training.lora, lora.dropout > 0 {
      problems.append("`lora.dropout` is \(lora.dropout), and has to be said to be 0: \(Self.reason)")
    }
    if training.hiddenDropout > 0 { problems.append("`hidden_dropout` has to be 0: \(Self.reason)") }
    if training.attentionDropout > 0 { problems.append("`attention_dropout` has to be 0: \(Self.reason)") }
    if temperature == 0 { problems.append("`temperature: 0` gives a group one answer: there is nothing to compare") }
    if numIterations > 1, training.accumulation > 1 {
      problems.append("`num_iterations` above 1 needs `accumulation: 1`: a larger `batch_size` has the same gradient")
    }
    if lossType == .cispo, epsilonHigh == nil {
      problems.append("`loss_type: cispo` needs `epsilon_high`, the most that a ratio may be: 5 in its paper")
    }
    return problems
  }

  static let obstacleToExtending = "the completions of all steps are written, which only a whole run has"

  fileprivate func settings(_ rewards: Rewards, outcome: Int?, longest: Int, accumulation: Int) -> PolicyTask.Settings {
    var loss = PolicyLoss(longest: longest)
    (loss.kind, loss.level) = (lossType, importanceSamplingLevel)
    (loss.epsilon, loss.epsilonHigh, loss.beta) = (epsilon, epsilonHigh, beta)
    var settings = PolicyTask.Settings(loss: loss)
    (settings.group, settings.updates, settings.accumulation) = (numGenerations, numIterations, accumulation)
    (settings.redraws, settings.outcome) = (redraws, outcome)
    settings.masksTruncated = maskTruncatedCompletions
    settings.advantages.scale = scaleRewards
    settings.advantages.normalizesEach = multiObjectiveAggregation == .normalizeThenSum
    settings.rewards = zip(rewards.names, rewards.weights).map { ($0, $1) }
    return settings
  }
}

/// A language model that is to be trained by rewards.
struct PolicyTraining {
  let model: LanguageModel
  private let policy: Policy
  private let base: ModelFolder
  private let parameters: PolicyParameters
  private let training: TrainingParameters
  private let sampling: SamplingParameters
  private let seed: UInt64
  private let context: StageContext

  init(
    _ base: ModelFolder, _ parameters: PolicyParameters, _ training: TrainingParameters, _ sampling: SamplingParameters,
    seed: UInt64, _ context: StageContext, for stage: String
  ) throws {
    (self.base, self.parameters, self.training, self.sampling) = (base, parameters, training, sampling)
    (self.seed, self.context) = (seed, context)
    let device = try context.device
    model = try LanguageModel(folder: base.url, base: base.base, on: device, maxTokens: training.maxLen)
    context.tell(model.notices, stage)
    policy = try Policy(
      model.model, temperature: sampling.temperature,
      base: parameters.beta > 0 && training.lora == nil
        ? LanguageModel(folder: base.url, base: base.base, on: device).model : nil)
    try training.prepare(policy, whole: [], seed: seed)
  }

  /// The records as prompts, those that fit. Throws a `DataError` if none does, or one lacks what a reward needs.
  func asked(
    _ records: [AnswerRecord], of file: URL, _ rewards: Rewards, _ prompter: Prompter
  ) throws -> [AskedRecord] {
    try rewards.check(records)
    return try prompter.asked(records, of: file, newTokens: sampling.maxNewTokens)
  }

  /// Trains and writes the completions that were learnt from.
  /// - Parameter ends: tokens that end a completion, besides the model's own.
  func run(
    on asked: [AskedRecord], held: [AskedRecord]?, _ rewards: Rewards, outcome: Int?, ends: Set<Int32>, completions: URL
  ) throws {
    let log = context.scratch.appending(path: "completions.jsonl")
    let environment = try PromptedModel(
      model, asked, rewards, sampling.sampling(ends: ends), seed: seed, log: log)
    let task = PolicyTask(
      asked.map { PolicyTask.Prompt(id: $0.record.id, ids: $0.ids) }, policy, in: environment,
      parameters.settings(
        rewards, outcome: outcome, longest: sampling.maxNewTokens, accumulation: training.accumulation))
    let metric = parameters.bestMetric
    try context.train(
      policy, task, training.settings(context, seed: seed, bestMetric: metric.rawValue),
      held.map { held in
        let validator = PolicyValidation(
          model, held, rewards, sampling.greedy(ends: ends), outcome: outcome, judgedBy: metric)
        return TrainingValidation(against: .start, metric: metric.rawValue) {
          try validator.run().queries
        } validate: {
          try validator.run()
        }
      })
    try environment.finish(at: completions)
  }

  func write(to folder: URL) throws {
    try Profile.measure(.saving) {
      try CheckpointFolder(base.url, base: base.base).write(model.model, as: training.dtype, to: folder)
    }
  }
}
