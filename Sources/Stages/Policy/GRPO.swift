/// `grpo`: trains a language model on what it says itself, by rewards.
import Foundation
import Pipelines
import Training

struct GRPO: RewardedStage {
  static let kind = StageKind("grpo", revision: 1)
  static let abstract =
    "Trains a language model by rewards of its own answers, in groups of answers to one prompt (GRPO)."
  static let numeric = true
  static let trains = true
  static let metrics = PolicyParameters.metrics

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
  @Shared var policy: PolicyParameters
  @Parameter("What is rewarded: a preset, or a list of rewards, each `{KIND: {…}}`.") var rewards: RewardList
  @Parameter(
    "The reward that says whether an answer is right, 0 or 1; absent: the first `exact`, else `matches`, `json`, `form`."
  )
  var outcome: String?
  @Seed var seed
  @Output("The language model's folder, merged; the adapter is in `adapter/`.") var model: ModelFolder
  @Output("Every completion that was learnt from, with each reward.", file: "completions.jsonl")
  var completions: RecordFile

  func problems() -> [String] {
    training.problems(hasValidation: validation != nil, [:]) + rewards.problems(tools.rewardTools)
      + prompting.problems(hasExamples: examples != nil) + sampling.problems
      + policy.problems(training, temperature: sampling.temperature)
  }

  func obstacleToExtending() -> String? { PolicyParameters.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let rewards = try Rewards(rewards, tools.rewardTools, context, for: "grpo")
    let outcome = try outcomePlace(rewards)
    let policy = try PolicyTraining(base, policy, training, sampling, seed: seed, context, for: "grpo")
    let prompter = try Prompter(prompting, policy.model, examples: examples?.url, context, for: "grpo")
    let contexts = try self.passages()
    func asked(_ file: URL) throws -> [AskedRecord] {
      try policy.asked(prompting.records(file, contexts: contexts), of: file, rewards, prompter)
    }
    let trained = training.sample(try asked(prompts.url), "grpo", seed: seed, context)
    let trial = try RewardTrial(rewards, trained.map(\.record))
    for line in trial.lines { context.log("[grpo] \(line)") }
    try trial.check()
    try policy.run(
      on: trained, held: validation.map { try asked($0.url) }, rewards, outcome: outcome, ends: prompter.endTokens(),
      completions: completions.url)
    try policy.write(to: model.url)
  }

  func rewardTrial(_ context: StageContext) throws -> RewardTrial {
    let records = try prompting.records(prompts.url, contexts: passages())
    let rewards = try Rewards(rewards, tools.rewardTools, context, for: "grpo")
    try rewards.check(records)
    return try RewardTrial(rewards, records)
  }

  private func outcomePlace(_ rewards: Rewards) throws -> Int? {
    guard let outcome else {
      if policy.bestMetric == .outcome || policy.redraws > 0, rewards.outcome == nil {
        throw StageInputError("no reward is 0 or 1: name one as `outcome`")
      }
      return rewards.outcome
    }
    guard let place = rewards.names.firstIndex(of: outcome) else {
      throw StageInputError("there is no reward `\(outcome)`; there are \(rewards.names.joined(separator: ", "))")
    }
    return place
  }

  private func passages() throws -> [String: String] { try contexts.map { try Self.passages($0.url) } ?? [:] }

  /// By the groups' ids, their first positives.
  static func passages(_ file: URL) throws -> [String: String] {
    var passages: [String: String] = [:]
    try QueryGroup.forEach(in: file) { passages[$0.id] = $0.positives.first?.text }
    return passages
  }
}

/// What rewards may need besides answers and records.
struct RewardTools: ParameterGroup {
  @Input("Model whose states BERTScore compares: an encoder of BERT's build.", as: .biEncoder) var bert: ModelFolder?
  @Input("Cross-encoder of the reward `judge`.", as: .crossEncoder) var judge: ModelFolder?
  @Input("File that commands of rewards find as `$script`.") var script: ScriptFile?

  init() {}

  var rewardTools: Rewards.Tools { Rewards.Tools(bert: bert, judge: judge, script: script?.url) }
}

struct ScriptFile: Artifact {
  static let type = ArtifactType.file
  static let accepts: [ArtifactType] = [.file, .text]
  let url: URL
  init(_ bound: BoundArtifact) { url = bound.url }
}
