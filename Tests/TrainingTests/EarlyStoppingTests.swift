/// Where a curve stops a training, and what a person hears of it.
import Models
import Testing

@testable import Training

private func curve(_ values: [Double], higherIsBetter: Bool = true) -> [ValidationMetric] {
  values.map { ValidationMetric("m", $0, higherIsBetter: higherIsBetter) }
}

/// Trains the toy model for ten epochs at most, validated by the values of a curve.
private func train(
  _ values: [Double], _ rule: EarlyStopping?, epochs: Int = 10, from saved: TrainingState? = nil,
  keep: TrainingSettings.Keep = .best
) throws -> (state: TrainingState, said: [String], kept: Validation) {
  let model = try ToyModel()
  var settings = TrainingSettings(memory: 1 << 30)
  settings.epochs = epochs
  settings.batchSize = 24
  settings.rate = 0.05
  settings.schedule = .constant
  settings.warmup = .steps(0)
  settings.bestMetric = "m"
  settings.earlyStopping = rule
  settings.keep = keep
  let observer = Recorder()
  let loop = try TrainingLoop(
    model: model, task: PairTask(pairs: toyPairs(64), loss: BinaryCrossEntropy()), settings: settings,
    observer: observer)
  var state = TrainingState(model: model)
  if let saved { try state.restore(outline: saved.outline, tensors: saved.tensors) }
  let kept = try loop.run(
    from: &state,
    // One step a batch, three batches an epoch.
    validate: {
      let done = (saved?.step ?? 0) + (observer.metrics["loss"]?.count ?? 0)
      return Validation(curve([values[done / 3 - 1]]))
    })
  return (state, observer.logs, kept)
}

@Suite struct EarlyStoppingTests {
  @Test(
    arguments: [
      ([0.1, 0.2, 0.3], 2, 0, false), ([0.3, 0.2], 1, 0, true), ([0.3, 0.2], 2, 0, false),
      ([0.3, 0.2, 0.25], 2, 0, true), ([0.3, 0.2, 0.4, 0.1], 2, 0, false), ([0.3, 0.3, 0.3], 2, 0, true),
      // Each rise is too small to count, and all are held against the first.
      ([0.3, 0.34, 0.38], 2, 0.1, true), ([0.3, 0.34, 0.45], 2, 0.1, false), ([], 1, 0, false),
      ([.nan, 0.1, 0.2], 2, 0, false), ([0.1, .nan, .nan], 2, 0, true),
    ] as [([Double], Int, Double, Bool)])
  func `a training is over after so many validations without a better one`(
    values: [Double], patience: Int, minDelta: Double, isOver: Bool
  ) {
    #expect(EarlyStopping(patience: patience, minDelta: minDelta).isOver(curve(values)) == isOver)
    // Of a loss the lower one is better.
    let losses = curve(values.map { -$0 }, higherIsBetter: false)
    #expect(EarlyStopping(patience: patience, minDelta: minDelta).isOver(losses) == isOver)
  }

  @Test func `it ends where the curve says, keeps the best epoch and says why`() throws {
    let values = [0.1, 0.5, 0.4, 0.45, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    let rule = EarlyStopping(patience: 2, minDelta: 0)
    let (state, said, kept) = try train(values, rule)
    #expect(state.epoch == 4 && state.best?.epoch == 2)
    #expect(kept.metrics == curve([0.5]))
    #expect(
      said.contains(
        "stopped after epoch 4 of 10: for 2 validations m has not been better than 0.5000, that of epoch 2 (early_stopping)"
      ))
    #expect(!said.contains { $0.contains("has not been better for") })
    // With more epochs allowed it goes no further, as it would not have from the start.
    let more = try train(values, rule, epochs: 20, from: state)
    #expect(more.state.epoch == 4 && more.kept == kept)
    #expect(more.said.contains { $0.hasPrefix("stopped after epoch 4 of 20") })
  }

  @Test func `of all epochs a curve that no longer rises is told once, with what to try`() throws {
    let values = [0.1, 0.5, 0.4, 0.4, 0.3, 0.2, 0.6, 0.5, 0.5, 0.5]
    let warnings = try train(values, nil).said.filter { $0.contains("not been better for") }
    #expect(warnings.count == 1)
    #expect(
      warnings[0].hasPrefix(
        "m has not been better for 3 validations: it was 0.5000 after epoch 2 and is 0.3000 now; try"))
  }

  @Test func `lines tell the loss of validation from that of training`() throws {
    let observer = Recorder()
    var settings = TrainingSettings(memory: 1 << 30)
    settings.epochs = 1
    let model = try ToyModel()
    var state = TrainingState(model: model)
    try TrainingLoop(
      model: model, task: PairTask(pairs: toyPairs(16), loss: BinaryCrossEntropy()), settings: settings,
      observer: observer
    ).run(from: &state, validate: { Validation([ValidationMetric("loss", 0.25, higherIsBetter: false)]) })
    #expect(observer.metrics["validation_loss"] == [0.25] && observer.metrics["loss"]?.count == 1)
    #expect(observer.logs[0].contains("  loss 0.") && observer.logs[0].hasSuffix("  validation_loss 0.2500"))
    #expect(observer.logs[1] == "kept epoch 1: validation_loss 0.2500")
  }
}
