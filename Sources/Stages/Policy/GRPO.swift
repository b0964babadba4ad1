/// `grpo`: trains a language model on what it says itself, by rewards.
import Foundation
import Models
import Pipelines
import Tensors
import Training

extension PolicyLoss.Kind: ParameterChoice {}
extension PolicyLoss.Level: ParameterChoice {}
extension Advantages.Scale: ParameterChoice {}

struct GRPO: RewardedStage {
  static let kind = StageKind("grpo", revision: 1)
  static let abstract = "Trains a language model by rewards of its own answers, in groups of answers to one prompt (GRPO)."
  static let numeric = true
  static let trains = true
  static let metrics =
    TrainingParameters.metrics(validation: BestMetric.allCases.map(\.rawValue)) + [
      MetricDescription(
        "reward", "Mean of the rewards' weighted sum; `exact.reward` is that of one reward without its weight.", .higher),
      MetricDescription("kl", "Mean divergence of the reference policy from the policy, a token (k3).", nil),
      MetricDescription("ratio", "Mean ratio of a token's probability to what it was when it was sampled.", nil),
      MetricDescription("clip_ratio", "Share of tokens that clipping keeps from learning.", nil),
      MetricDescription(
        "off_policy", "Share of tokens whose probability is not, bit for bit, the one it was sampled with.", .lower),
      MetricDescription("entropy", "Mean −ln p of the tokens that were sampled.", nil),
      MetricDescription("length", "Mean tokens of a completion.", nil),
      MetricDescription("truncated", "Share of completions that were cut at `max_new_tokens`.", .lower),
      MetricDescription("dead_groups", "Share of groups whose outcomes are all alike.", .lower),
      MetricDescription("flat_groups", "Share of groups whose rewards are all alike: nothing is learnt from them.", .lower),
    ]

  enum BestMetric: String, ParameterChoice { case reward, outcome }

  enum Aggregation: String, ParameterChoice {
    case sumThenNormalize = "sum_then_normalize"
    /// GDPO.
    case normalizeThenSum = "normalize_then_sum"
  }

  @Input("Language model to start from: a decoder's folder, or an adapter of PEFT.", as: .policy, base: "encoder")
  var base: ModelFolder
  @Input(
    "What is asked: records with `question` or `query`, or with a `prompt` or `messages` of their own, and what rewards need, as `answer`.",
    .learnsFrom)
  var prompts: RecordFile
  @Input("The same, for choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: RecordFile?
  @Input("What `{passage}` stands for: of the group with a record's id, the first positive.") var contexts: GroupFile?
  @Input("Records with answers, for `few_shot`.") var examples: RecordFile?
  @Shared var tools: RewardTools
  @Shared var training: TrainingParameters
  @Shared var prompting: PromptingParameters
  @Shared var sampling: SamplingParameters
  @Parameter("What is rewarded: a preset, or a list of rewards, each `{KIND: {…}}`.") var rewards: RewardList
  @Parameter("Completions of a prompt, which are held against each other.", in: 2...4096) var numGenerations = 8
  @Parameter("Steps that learn from the same completions.", in: 1...1000) var numIterations = 1
  @Parameter("How tokens' losses are averaged, or `cispo`.") var lossType = PolicyLoss.Kind.dapo
  @Parameter("What a ratio is of: `token`, or `sequence` (GSPO).") var importanceSamplingLevel = PolicyLoss.Level.token
  @Parameter("How far a ratio may fall below 1.", in: 0...1) var epsilon = 0.2
  @Parameter("How far it may rise above 1; with `loss_type: cispo` the most that it may be. Absent: `epsilon`.", in: 0...1e6)
  var epsilonHigh: Double?
  @Parameter("Weight of the divergence from the base; 0: the base is not asked.", in: 0...1e6) var beta = 0.0
  @Parameter("What rewards less their group's mean are divided by: the deviation of the group, of the step, or nothing.")
  var scaleRewards = Advantages.Scale.group
  @Parameter("Whether rewards are summed and then normalised, or each is normalised first (GDPO).")
  var multiObjectiveAggregation = Aggregation.sumThenNormalize
  @Parameter("Whether completions that were cut at `max_new_tokens` are not learnt from.")
  var maskTruncatedCompletions = false
  @Parameter(
    "The reward that says whether an answer is right, 0 or 1; absent: the first `exact`, else `matches`, `json`, `form`.")
  var outcome: String?
  @Parameter("How often a group is drawn anew whose outcomes are all alike.", in: 0...1000) var redraws = 0
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.reward
  @Seed var seed
  @Output("The language model's folder, merged; the adapter is in `adapter/`.") var model: ModelFolder
  @Output("Every completion that was learnt from, with each reward.", file: "completions.jsonl")
  var completions: RecordFile

  private static let reason =
    "`grpo` learns from the probabilities that it sampled with, and dropout would change them before anything is learnt"

  func problems() -> [String] {
    var problems = training.problems(hasValidation: validation != nil, [:]) + rewards.problems(tools.rewardTools)
    problems += prompting.problems(hasExamples: examples != nil) + sampling.problems
    if let lora = training.lora, lora.dropout > 0 {
      problems.append("`lora.dropout` is \(lora.dropout), and has to be said to be 0: \(Self.reason)")
    }
    if training.hiddenDropout > 0 { problems.append("`hidden_dropout` has to be 0: \(Self.reason)") }
    if training.attentionDropout > 0 { problems.append("`attention_dropout` has to be 0: \(Self.reason)") }
    if sampling.temperature == 0 { problems.append("`temperature: 0` gives a group one answer: there is nothing to compare") }
    if numIterations > 1, training.accumulation > 1 {
      problems.append("`num_iterations` above 1 needs `accumulation: 1`: a larger `batch_size` has the same gradient")
    }
    if lossType == .cispo, epsilonHigh == nil {
      problems.append("`loss_type: cispo` needs `epsilon_high`, the most that a ratio may be: 5 in its paper")
    }
    return problems
  }

  func obstacleToExtending() -> String? { "`completions` has the answers of every step, which only a whole run has" }

  func run(_ context: StageContext) async throws {
    let model = try LanguageModel(
      folder: base.url, base: base.base, on: context.device, maxTokens: training.maxLen)
    context.tell(model.notices, "grpo")
    let policy = try Policy(
      model.model, temperature: sampling.temperature,
      base: beta > 0 && training.lora == nil
        ? LanguageModel(folder: base.url, base: base.base, on: context.device).model : nil)
    try training.prepare(policy, whole: [], seed: seed)
    let rewards = try Rewards(rewards, tools.rewardTools, context, for: "grpo")
    let outcome = try outcomePlace(rewards)

    let prompter = try Prompter(prompting, model, examples: examples?.url, context, for: "grpo")
    let contexts = try contexts.map { try Self.passages($0.url) } ?? [:]
    let asked = try self.asked(prompts.url, contexts, prompter, rewards, model, context)
    let trained = training.sample(asked, "grpo", seed: seed, context)
    let held = try validation.map { try self.asked($0.url, contexts, prompter, rewards, model, context) }
    let trial = try RewardTrial(rewards, trained.map(\.record))
    for line in trial.lines { context.log("[grpo] \(line)") }
    try trial.check()

    let environment = try PromptedModel(
      model, trained, rewards, sampling.sampling, seed: seed, log: context.scratch.appending(path: "completions.jsonl"))
    var settings = PolicyTask.Settings(loss: loss)
    settings.group = numGenerations
    settings.updates = numIterations
    settings.accumulation = training.accumulation
    settings.redraws = redraws
    settings.outcome = outcome
    settings.masksTruncated = maskTruncatedCompletions
    settings.advantages.scale = scaleRewards
    settings.advantages.normalizesEach = multiObjectiveAggregation == .normalizeThenSum
    settings.rewards = zip(rewards.names, rewards.weights).map { ($0, $1) }
    let task = PolicyTask(
      trained.map { PolicyTask.Prompt(id: $0.record.id, ids: $0.ids) }, policy, in: environment, settings)
    try context.train(
      policy, task, training.settings(context, seed: seed, bestMetric: bestMetric.rawValue),
      held.map { held in
        let validator = PolicyValidation(
          model, held, rewards, sampling.greedy, outcome: outcome, judgedBy: bestMetric)
        return TrainingValidation(against: .start, metric: bestMetric.rawValue) {
          try validator.run().queries
        } validate: {
          try validator.run()
        }
      })
    try environment.finish(at: completions.url)
    try Profile.measure(.saving) {
      try CheckpointFolder(base.url, base: base.base).write(model.model, as: training.dtype, to: self.model.url)
    }
  }

  func rewardTrial(_ context: StageContext) throws -> RewardTrial {
    let contexts = try contexts.map { try Self.passages($0.url) } ?? [:]
    let records = try prompting.records(prompts.url, contexts: contexts)
    let rewards = try Rewards(rewards, tools.rewardTools, context, for: "grpo")
    try rewards.check(records)
    return try RewardTrial(rewards, records)
  }

  private var loss: PolicyLoss {
    var loss = PolicyLoss(longest: sampling.maxNewTokens)
    loss.kind = lossType
    loss.level = importanceSamplingLevel
    (loss.epsilon, loss.epsilonHigh, loss.beta) = (epsilon, epsilonHigh, beta)
    return loss
  }

  private func outcomePlace(_ rewards: Rewards) throws -> Int? {
    guard let outcome else {
      if bestMetric == .outcome || redraws > 0, rewards.outcome == nil {
        throw StageInputError("no reward is 0 or 1: name one as `outcome`")
      }
      return rewards.outcome
    }
    guard let place = rewards.names.firstIndex(of: outcome) else {
      throw StageInputError("there is no reward `\(outcome)`; there are \(rewards.names.joined(separator: ", "))")
    }
    return place
  }

  /// By the groups' ids, their first positives.
  static func passages(_ file: URL) throws -> [String: String] {
    var passages: [String: String] = [:]
    try QueryGroup.forEach(in: file) { passages[$0.id] = $0.positives.first?.text }
    return passages
  }

  /// The records that fit, as prompts; how many do not is told.
  private func asked(
    _ file: URL, _ contexts: [String: String], _ prompter: Prompter, _ rewards: Rewards, _ model: LanguageModel,
    _ context: StageContext
  ) throws -> [AskedRecord] {
    let records = try prompting.records(file, contexts: contexts)
    try rewards.check(records)
    let all = try records.map { AskedRecord(record: $0, ids: try prompter.tokens($0)) }
    let fitting = all.filter { $0.ids.count + sampling.maxNewTokens <= model.maxTokens }
    if fitting.count < all.count {
      let longest = all.map(\.ids.count).max() ?? 0
      context.warn(
        "[grpo] \(all.count - fitting.count) of \(all.count) prompts of \(file.lastPathComponent) are left out: with "
          + "\(sampling.maxNewTokens) new tokens they are longer than \(model.maxTokens), the longest by itself \(longest); "
          + "raise `max_len`, or lower `max_new_tokens` or `few_shot`")
    }
    guard !fitting.isEmpty else {
      throw DataError(file, "no prompt leaves room for \(sampling.maxNewTokens) new tokens within \(model.maxTokens)")
    }
    return fitting
  }
}

/// What rewards may need besides answers and records.
struct RewardTools: ParameterGroup {
  init() {}
  @Input("Model whose states BERTScore compares: an encoder of BERT's build.", as: .biEncoder) var bert: ModelFolder?
  @Input("Cross-encoder of the reward `judge`.", as: .crossEncoder) var judge: ModelFolder?
  @Input("File that commands of rewards find as `$script`.") var script: ScriptFile?

  var rewardTools: Rewards.Tools { Rewards.Tools(bert: bert, judge: judge, script: script?.url) }
}

struct ScriptFile: Artifact {
  static let type = ArtifactType.file
  static let accepts: [ArtifactType] = [.file, .text]
  let url: URL
  init(_ bound: BoundArtifact) { url = bound.url }
}
