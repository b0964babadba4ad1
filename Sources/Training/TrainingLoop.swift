/// The training loop: batches, gradients, optimizer steps, validation, and which weights to keep.
import Basics
import Foundation
import Models
import Tensors

package struct TrainingLoop<Task: TrainingTask> {
  private let model: any SequenceModel
  private let task: Task
  private let settings: TrainingSettings
  private let observer: any TrainingObserver
  private let draws: SeededDraws
  /// Batches and steps before each epoch, and before the one that would follow the last.
  private let batchesBefore: [Int]
  private let stepsBefore: [Int]

  package init(model: any SequenceModel, task: Task, settings: TrainingSettings, observer: any TrainingObserver) throws
  {
    guard task.itemCount > 0 else { throw TrainingError.nothingToTrainOn }
    self.model = model
    self.task = task
    self.settings = settings
    self.observer = observer
    draws = SeededDraws(seed: settings.seed)
    var (batches, steps) = ([0], [0])
    for epoch in 0..<settings.epochs {
      let count = task.batchCount(of: settings.batchSize, epoch: epoch, draws)
      batches.append(batches[epoch] + count)
      steps.append(steps[epoch] + (count + settings.accumulation - 1) / settings.accumulation)
    }
    (batchesBefore, stepsBefore) = (batches, steps)
  }

  private var allSteps: Int { stepsBefore[settings.epochs] }
  private func batchCount(_ epoch: Int) -> Int { batchesBefore[epoch + 1] - batchesBefore[epoch] }

  /// The learning rate of a step, where `peak` is its highest.
  private func rate(_ peak: Double, at step: Int) -> Double {
    Schedule(settings.schedule, peak: peak, warmup: settings.warmup, steps: allSteps).rate(at: step)
  }

  /// Trains the model in place from `state` on. Returns what validation said of the weights that are kept.
  /// - Parameters:
  ///   - start: what the training will be judged against, for each query; asked for unless the state has it.
  ///   - validate: runs after each epoch; absent, the last weights are kept.
  @discardableResult
  package func run(
    from state: inout TrainingState, start: (() throws -> [Double])? = nil, validate: (() throws -> Validation)?,
    keeper: (any TrainingKeeper)? = nil
  ) throws -> Validation {
    let memory = MemoryFit(model: model, limit: settings.memory)
    func bestBytes() -> Int {
      settings.keep == .best && validate != nil && state.best == nil ? state.bestBytes : 0
    }
    memory.toCome = bestBytes()
    try checkHeaviestChunk(memory)
    try task.restore(state.task)
    if state.start == nil, let start { state.start = try Profile.measure(.validation) { try start() } }
    state.task = try task.saved()
    try keeper?.reached(state)
    while state.epoch < settings.epochs, !isOver(state) {
      let (epoch, first) = (state.epoch, state.batch)
      let items = task.batches(of: settings.batchSize, epoch: epoch, draws)
      let steps = (items.count - first + settings.accumulation - 1) / settings.accumulation
      try lookingAhead(steps, by: task.followsModel ? 0 : 2) { index in
        try Profile.measure(.batchMaking) {
          try items.dropFirst(first + index * settings.accumulation).prefix(settings.accumulation)
            .map { try task.batch(of: $0, epoch: epoch) }
        }
      } use: { batches in
        memory.toCome = bestBytes()
        try step(&state, batches, memory)
        state.task = try task.saved()
        try observer.stepped(state.step, of: allSteps)
        try keeper?.reached(state)
      }
      try finishEpoch(&state, validate)
      try keeper?.reached(state)
    }
    if state.epoch < settings.epochs { reportStop(state) }
    try keeper?.finished(state)
    guard settings.keep == .best, let best = state.best else {
      return Validation(state.validation, queries: state.queries)
    }
    state.restoreBest()
    observer.log("kept epoch \(best.epoch): \(best.metric.shownName) \(short(best.metric.value))")
    return Validation(best.validation, queries: best.queries)
  }

  // MARK: - A step

  private func step(_ state: inout TrainingState, _ batches: [TrainingBatch], _ memory: MemoryFit) throws {
    let start = ContinuousClock.now
    for weight in state.weights { weight.gradient?.fill(0) }
    var tokens = 0
    var losses: [Loss] = []
    var records: [String] = []
    for (index, batch) in batches.enumerated() {
      let key = batchesBefore[state.epoch] + state.batch + index
      let loss = try accumulate(batch, key: key, state, memory)
      tokens += batch.sequences.tokens
      records += batch.records
      losses.append(loss)
    }
    let share = 1 / Double(batches.count)
    let norm = Profile.measure(.optimizer) { gradientNorm(state.weights, on: model.device) } * share
    guard norm.isFinite else { throw notFinite(state, records, "the gradient") }
    let rate = self.rate(settings.rate, at: state.step)
    let temperature = task.temperature
    let temperatureRate = temperature.map { self.rate($0.rate, at: state.step) } ?? 0
    Profile.measure(.optimizer) {
      settings.optimizer.step(
        state.weights, &state.moments, rate: { $0 === temperature?.weight ? temperatureRate : rate },
        gradientScale: share * clippingFactor(norm: norm, limit: settings.maxGradientNorm), on: model.device)
    }
    temperature?.raiseToLeast()

    state.step += 1
    state.batch += batches.count
    state.epochLoss += losses.reduce(0) { $0 + $1.value }
    report(losses, rate, norm, state.step, Double(tokens) / (ContinuousClock.now - start).seconds)
  }

  /// Adds a batch's gradient to the weights'. Where the batch does not fit as a whole, its outputs are computed part by
  /// part without keeping activations, and again part by part to run back (Gao et al., 2021): the bits stay the same.
  private func accumulate(
    _ batch: TrainingBatch, key: Int, _ state: TrainingState, _ memory: MemoryFit
  ) throws -> Loss {
    func forward(_ part: PackedBatch, records: Bool) throws -> (output: Variable, tape: Tape) {
      let tape = Tape(on: model.device, records: records, masks: Tape.Masks(seed: settings.seed, step: key))
      return (try model.forward(part, on: tape), tape)
    }
    let runs = try batch.microBatches(fitting: memory.fits)
    if runs.count == 1 {
      let (output, tape) = try forward(batch.sequences, records: true)
      let loss = try checkedLoss(batch, output.value.doubles, state)
      task.temperature?.add(loss.parameterGradients)
      tape.backward(from: output, gradient: output.value.filled(with: loss.gradient[...]))
      return loss
    }
    let parts = runs.map(batch.sequences.microBatch)
    let outputs = try parts.flatMap { try forward($0, records: false).output.value.doubles }
    let loss = try checkedLoss(batch, outputs, state)
    task.temperature?.add(loss.parameterGradients)
    var start = 0
    for part in parts {
      let (output, tape) = try forward(part, records: true)
      let end = start + output.value.count
      tape.backward(from: output, gradient: output.value.filled(with: loss.gradient[start..<end]))
      start = end
    }
    return loss
  }

  private func checkedLoss(_ batch: TrainingBatch, _ outputs: [Double], _ state: TrainingState) throws -> Loss {
    let loss = Profile.measure(.loss) { batch.loss(outputs) }
    guard loss.value.isFinite else {
      let width = outputs.count / batch.sequences.count
      let output = outputs.firstIndex { !$0.isFinite }.map { "the output for sequence \($0 / width) of the batch" }
      throw notFinite(state, batch.records, output ?? "the loss")
    }
    return loss
  }

  /// Weights come first: they were there before the batch; then the gradients, in the model's order.
  private func notFinite(_ state: TrainingState, _ records: [String], _ otherwise: String) -> TrainingError {
    let culprit =
      model.weights.first { !$0.fp32.isFinite }.map { "the weight `\($0.name)`" }
      ?? state.weights.first { $0.gradient?.isFinite == false }.map { "the gradient of `\($0.name)`" }
    return .notFinite(step: state.step + 1, records: records, culprit: culprit ?? otherwise)
  }

  private func checkHeaviestChunk(_ memory: MemoryFit) throws {
    let needed = try model.trainingBytes(tokensPerSequence: task.heaviestChunk)
    guard needed > memory.available else { return }
    let remedies = try task.remedies.map { ($0.change, try model.trainingBytes(tokensPerSequence: $0.chunk)) }
    throw TrainingError.doesNotFit(needed: needed, available: memory.available, remedies: remedies)
  }

  // MARK: - An epoch's end

  private func finishEpoch(_ state: inout TrainingState, _ validate: (() throws -> Validation)?) throws {
    state.epoch += 1
    var summary =
      "epoch \(state.epoch)/\(settings.epochs)  loss \(short(state.epochLoss / Double(batchCount(state.epoch - 1))))"
    state.batch = 0
    state.epochLoss = 0
    if let validate {
      let validation = try Profile.measure(.validation) { try validate() }
      (state.validation, state.queries) = (validation.metrics, validation.queries)
      for metric in state.validation {
        observer.metric("validation_\(metric.name)", metric.value, step: state.step)
        summary += "  \(metric.shownName) \(short(metric.value))"
      }
      if let metric = state.validation.first(where: { $0.name == settings.bestMetric }) {
        state.curve.append(metric)
        if settings.keep == .best, state.best.map({ metric.isBetter(than: $0.metric.value) }) ?? true {
          state.remember(metric)
        }
      } else if settings.keep == .best || settings.earlyStopping != nil {
        throw TrainingError.unknownMetric(settings.bestMetric, available: state.validation.map(\.name))
      }
    }
    observer.log(summary)
    warnOfStandstill(state.curve)
  }

  private func isOver(_ state: TrainingState) -> Bool { settings.earlyStopping?.isOver(state.curve) ?? false }

  private func reportStop(_ state: TrainingState) {
    guard let rule = settings.earlyStopping else { return }
    let (curve, still) = (state.curve, Standstill(state.curve, minDelta: rule.minDelta))
    let margin = rule.minDelta > 0 ? " by more than \(rule.minDelta)" : ""
    observer.log(
      "stopped after epoch \(state.epoch) of \(settings.epochs): for \(still.validations) validations "
        + "\(curve[still.best].shownName) has not been better\(margin) than \(short(curve[still.best].value)), "
        + "that of epoch \(still.best + 1) (early_stopping)")
  }

  /// Once, when it is so for the first time.
  private func warnOfStandstill(_ curve: [ValidationMetric]) {
    let limit = 3
    let still = Standstill(curve)
    guard settings.earlyStopping == nil, let last = curve.last, still.validations == limit, still.mostBefore < limit
    else { return }
    observer.warn(
      "\(last.shownName) has not been better for \(limit) validations: it was \(short(curve[still.best].value)) after "
        + "epoch \(still.best + 1) and is \(short(last.value)) now; try a lower `lr`, more training data, or fewer epochs "
        + "(`early_stopping: {patience: 2}`)")
  }

  private func report(_ losses: [Loss], _ rate: Double, _ norm: Double, _ step: Int, _ tokensPerSecond: Double) {
    let count = Double(losses.count)
    let loss = losses.reduce(0) { $0 + $1.value } / count
    observer.metric("loss", loss, step: step)
    for (index, part) in losses[0].parts.enumerated() {
      observer.metric(part.name, losses.reduce(0) { $0 + $1.parts[index].value } / count, step: step)
    }
    observer.metric("lr", rate, step: step)
    observer.metric("grad_norm", norm, step: step)
    if let temperature = task.temperature { observer.metric("temperature", temperature.value, step: step) }
    let speed = Int(saturating: tokensPerSecond).formatted(
      .number.locale(Locale(identifier: "en_US_POSIX")).grouping(.automatic))
    observer.progress(step, of: allSteps, detail: "loss \(short(loss))  \(speed) tokens/s")
  }
}

extension Tensor {
  fileprivate var doubles: [Double] { array.map(Double.init) }

  /// A tensor of the same shape with these values.
  fileprivate func filled(with values: ArraySlice<Double>) -> Tensor { device.tensor(values.map(Float.init), shape) }
}

/// Four decimals.
private func short(_ value: Double) -> String { String(format: "%.4f", value) }
