/// Training that keeps its state on the way, goes on from it, and says where it is when it has to stop.
import Basics
import Models
import Pipelines
import Tensors
import Training

extension StageContext {
  /// Trains the model from its beginning or from where an earlier attempt or a shorter training ended, reports the final
  /// values of validation, and says whether the model ranks better than where it began.
  /// - Returns: what validation said of the weights that were kept.
  @discardableResult
  func train(
    _ model: some SequenceModel, _ task: some TrainingTask, _ settings: TrainingSettings,
    _ validation: TrainingValidation?
  ) throws -> Validation {
    var state = TrainingState(model: model, temperature: task.temperature)
    // A forecast wants the steps alone, and a model that is not trained is its own start.
    let judged = isProbe || settings.epochs == 0 ? nil : validation
    if let saved = keeper?.takeStart() {
      // The weights as they were are known only until the saved ones take their place.
      if try !TrainingState.hasStart(saved.outline) { state.start = try judged?.start() }
      try state.restore(outline: saved.outline, tensors: saved.tensors)
    }
    // After that: what was read of a saved state is in memory no longer.
    var settings = settings
    settings.memory = try memory(forTensorsOf: model.device)
    let loop = try TrainingLoop(model: model, task: task, settings: settings, observer: self)
    do {
      var kept = try loop.run(
        from: &state, start: judged?.start, validate: validation?.validate, keeper: keeper.map(TrainingStateKeeper.init)
      )
      report(kept.metrics)
      guard let judged, let start = state.start else { return kept }
      // States that were saved before trainings were judged may lack those of the best epoch.
      if kept.queries.isEmpty { kept.queries = try judged.validate().queries }
      if let verdict = Verdict(judged.metric, start: start, end: kept.queries, against: judged.against) {
        judge(verdict)
      }
      return kept
    } catch let error as TrainingError {
      guard case .notFinite = error, let latest = keeper?.latest else { throw error }
      throw StoppedTraining(error: error, checkpoint: latest)
    }
  }
}

extension StageContext {
  /// What of the stage's memory tensors may take: not what the process needs besides and, of its program, has yet to
  /// read; nor what lies unused between them, which was at most an eighth of them in trainings of MiniLM.
  private func memory(forTensorsOf device: any Device) throws -> Int {
    guard ownsProcess else { return compute.memory }
    return max(0, try compute.memory - device.bytesBeside - 20_000_000) / 7 * 6
  }
}

/// How a training is validated, and what it is held against at its end.
struct TrainingValidation {
  let against: Verdict.Start
  /// What queries are judged by.
  var metric = "ndcg@10"
  /// That metric of each validation query by what the training is held against; asked for before the first step.
  let start: () throws -> [Double]
  let validate: () throws -> Validation
}

extension Verdict {
  /// `nil` without queries.
  /// - Parameters:
  ///   - metric: a higher one is better.
  ///   - start: that of each validation query before training; `end` after it.
  init?(_ metric: String, start: [Double], end: [Double], against: Start) {
    guard !start.isEmpty, start.count == end.count else { return nil }
    let test = RandomisationTest(differences: zip(start, end).map { $1 - $0 })
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    self.init(
      metric: metric, start: mean(start), end: mean(end), queries: start.count, differing: test.differing, p: test.p,
      against: against)
  }
}

private struct TrainingStateKeeper: TrainingKeeper {
  let keeper: any StateKeeper

  func reached(_ state: TrainingState) throws {
    try Profile.measure(.saving) { try keeper.reached(step: state.step) { try saved(state) } }
  }
  func finished(_ state: TrainingState) throws {
    try Profile.measure(.saving) { try keeper.finished { try saved(state) } }
  }

  private func saved(_ state: TrainingState) throws -> SavedState? {
    guard state.isFinite else { return nil }
    return SavedState(step: state.step, outline: try state.outline, tensors: state.tensors)
  }
}

extension TrainingError: PermanentFailure {}
extension UnfitState: PermanentFailure {}
extension TooFewCandidates: PermanentFailure {}
extension DataError: PermanentFailure {}

/// A training that went wrong, and the last state in which it had not.
struct StoppedTraining: PermanentFailure, CustomStringConvertible {
  let error: TrainingError
  let checkpoint: SavedPlace
  var description: String {
    "\(error). The last good checkpoint, after step \(checkpoint.step), is \(checkpoint.url.path)"
  }
}
