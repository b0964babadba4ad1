/// What all training stages let a person set, and how it becomes the loop's settings.
import Models
import Pipelines
import Tokenizers
import Training

extension StageContext: TrainingObserver {}
extension Schedule.Shape: ParameterChoice {}
extension TrainingSettings.Keep: ParameterChoice {}
extension SavedType: ParameterChoice {}

struct TrainingParameters: ParameterGroup {
  private static let standard = TrainingSettings(memory: 0)

  @Parameter("Highest learning rate.", in: 0...10) var lr = Self.standard.rate
  @Parameter(
    "Passes over the training data; 0 writes the model as it is before training.", in: 0...100_000, extends: true,
    role: .repeats)
  var epochs = Self.standard.epochs
  @Parameter(
    "Pairs (`teacher` with `loss: bce`) or queries with their candidates (other losses, `distill`, `dual-encoder`) in a batch.",
    in: 1...1_000_000)
  var batchSize = Self.standard.batchSize
  @Parameter("Batches whose gradients are averaged for one step of the optimizer.", in: 1...1_000_000)
  var accumulation = Self.standard.accumulation
  @Parameter("Tokens, special ones included, after which an input is cut.", in: 3...1_000_000) var maxLen = 256
  @Parameter("Queries to train on, a seeded sample; absent: all.", in: 1...1_000_000_000, role: .limits)
  var maxSamples: Int?
  @Parameter("Course of the learning rate after warm-up.") var schedule = Self.standard.schedule
  @Parameter("Share of all steps in which the learning rate rises.", in: 0...1)
  var warmupRatio = TrainingSettings.warmupRatio
  @Parameter("Steps in which the learning rate rises; overrides `warmup_ratio`.", in: 0...1_000_000_000)
  var warmupSteps: Int?
  @Parameter("AdamW's decay; biases and norms have none.", in: 0...10)
  var weightDecay = Self.standard.optimizer.weightDecay
  @Parameter("Global norm to which gradients are clipped; 0: not at all.", in: 0...1e9)
  var maxGradNorm = Self.standard.maxGradientNorm
  @Parameter(
    "Probability of dropping an element of embeddings, and of what attention and feed-forward parts give.",
    in: 0...0.99, neutral: 0)
  var hiddenDropout = 0.0
  @Parameter("Probability of dropping an attention weight.", in: 0...0.99, neutral: 0) var attentionDropout = 0.0
  @Parameter("Weights to keep: of the epoch with the best validation, or of the last one.")
  var keep = Self.standard.keep
  @Parameter(
    "Type of the weights that are written. In 16 bits a merged adapter is rounded with its weight: bfloat16 loses a change "
      + "below 1/512 of it; `adapter/` keeps all.", neutral: .base)
  var dtype = SavedType.base
  @Group("Low-rank adapters; absent: all weights train.") var lora: LoRAParameters?
  @Group(
    "Quantizes the base before adapters train on it, in a stage of its own, `NAME.quantized`, which trainings with one base "
      + "share; needs `lora`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Group("Ends the training where `best_metric` no longer gets better; absent: all epochs train.", isNeutral: true)
  var earlyStopping: EarlyStoppingParameters?

  init() {}

  /// Gives the metrics of a training: the loss of its batches with its parts, step by step, and what validation gives
  /// after each epoch; the last is of the weights that are kept.
  static func metrics(parts: [String] = [], validation: [String]) -> [MetricDescription] {
    let steps =
      [MetricDescription("loss", "Loss of the training's batches, step by step.", .lower)]
      + parts.map { MetricDescription($0, "Its part of the loss.", .lower) } + [
        MetricDescription("lr", "Learning rate, step by step.", nil),
        MetricDescription("grad_norm", "Global norm of the gradient before clipping.", nil),
      ]
    return steps
      + validation.map { name in
        MetricDescription(
          "validation_\(name)", "Of the validation data, epoch by epoch; at the end, of the weights that are kept.",
          name == "loss" || name.hasSuffix("mean_rank") ? .lower : .higher)
      }
  }

  func settings(_ context: StageContext, seed: UInt64, bestMetric: String) -> TrainingSettings {
    var settings = TrainingSettings(memory: context.compute.memory)
    settings.epochs = epochs
    settings.batchSize = batchSize
    settings.accumulation = accumulation
    settings.rate = lr
    settings.schedule = schedule
    settings.warmup = warmupSteps.map { .steps($0) } ?? .ratio(warmupRatio)
    settings.optimizer.weightDecay = weightDecay
    settings.maxGradientNorm = maxGradNorm
    settings.keep = keep
    settings.bestMetric = bestMetric
    settings.earlyStopping = earlyStopping.map { EarlyStopping(patience: $0.patience, minDelta: $0.minDelta) }
    settings.seed = seed
    return settings
  }

  /// What of the settings needs validation, where there is none.
  /// - Parameter inputs: those that only validation uses, and whether something is bound to them.
  func problems(hasValidation: Bool, _ inputs: [String: Bool]) -> [String] {
    let frozen =
      quantization != nil && lora == nil
      ? ["`quantization` keeps the base as it is: give `lora`, whose adapters train on it, or leave `quantization` out"]
      : []
    if hasValidation { return frozen }
    let stopping =
      earlyStopping == nil ? [] : ["`early_stopping` goes by validation: give the port `validation` groups"]
    return frozen + stopping
      + inputs.filter(\.value).keys.sorted().map {
        "the port `\($0)` is for validation: give the port `validation` groups, or leave `\($0)` out"
      }
  }

  /// Why more epochs cannot go on from the final state of fewer: every step's learning rate must stay what it was.
  var obstacleToExtending: String? {
    if schedule != .constant { return "the learning rate of `schedule: \(schedule.rawValue)` depends on all epochs" }
    if warmupSteps == nil && warmupRatio > 0 {
      return "`warmup_ratio` is a share of all epochs' steps; `warmup_steps` is not"
    }
    return nil
  }

  /// Makes the weights trainable: adapters and the modules of `whole`, or all.
  func prepare(_ model: some SequenceModel, whole: [String], headDropout: Double = 0, seed: UInt64) throws {
    model.dropout = Dropouts(hidden: hiddenDropout, attention: attentionDropout, head: headDropout)
    if let lora {
      try model.attach(lora: lora.settings(whole: whole), seed: seed)
    } else {
      if let layer = model.parameters.codedLayer { throw ModelError.codesDoNotTrain(layer) }
      model.trainAllWeights()
    }
  }

  /// A seeded sample of the records, in their order, with a line that says how many of how many.
  func sample<Record>(_ records: [Record], _ name: String, seed: UInt64, _ context: StageContext) -> [Record] {
    let chosen = SeededDraws(seed: seed).sample(maxSamples ?? records.count, of: records.count)
    context.log("[\(name)] Queries used: \(chosen.count) of \(records.count)")
    return chosen.map { records[$0] }
  }
}

struct EarlyStoppingParameters: ParameterGroup {
  @Parameter("Validations, one an epoch, without a better one after which the training ends.", in: 1...100_000)
  var patience = 2
  @Parameter("By how much a validation has to be better than the best before it.", in: 0...1e6) var minDelta = 0.0

  init() {}
}

/// Names and meanings as in PEFT.
struct LoRAParameters: ParameterGroup {
  @Parameter("Rank of the update.", in: 1...65_536) var r = 16
  @Parameter("Scale: the update counts alpha/r.", in: 0...1e6) var alpha = 32.0
  @Parameter("Probability of dropping an element of an adapter's input.", in: 0...0.99) var dropout = 0.1
  @Parameter("Linear layers by name, or all-linear: every one but the head.")
  var targetModules = WordOrList.word("all-linear")
  @Parameter("Scale by alpha/√r instead of alpha/r.") var useRslora = false

  init() {}

  func settings(whole: [String]) -> LoRASettings {
    let targets =
      switch targetModules {
      case .word(let word): [word]
      case .list(let list): list
      }
    return LoRASettings(
      r: r, alpha: alpha, dropout: dropout, targetModules: targets, useRSLoRA: useRslora, modulesToSave: whole)
  }
}

extension StageContext {
  /// Says what a model's folder made the stage do of its own accord.
  func tell(_ notices: [String], _ name: String) {
    for notice in notices { warn("[\(name)] \(notice)") }
  }

  /// Says how well the tokenizer fits the texts.
  func report(_ health: TokenHealth, _ name: String) {
    log("[\(name)] \(health.report)")
    if let warning = health.warning { warn("[\(name)] \(warning)") }
  }

  /// The final values of a training's validation.
  func report(_ metrics: [ValidationMetric]) {
    for metric in metrics { self.metric("validation_\(metric.name)", metric.value) }
  }
}
