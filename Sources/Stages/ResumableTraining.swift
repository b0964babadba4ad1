/// Training that keeps its state on the way, goes on from it, and says where it is when it has to stop.
import Models
import Pipelines
import Tensors
import Training

extension StageContext {
  /// Trains the model from its beginning or from where an earlier attempt or a shorter training ended, and reports the
  /// final values of validation.
  func train(
    _ model: some SequenceModel, _ task: some TrainingTask, _ settings: TrainingSettings,
    validate: (() throws -> [ValidationMetric])?
  ) throws {
    let loop = try TrainingLoop(model: model, task: task, settings: settings, observer: self)
    var state = TrainingState(model: model)
    if let start = keeper?.takeStart() {
      try state.restore(outline: start.outline, tensors: start.tensors, engine: model.engine)
    }
    do {
      report(try loop.run(from: &state, validate: validate, keeper: keeper.map(TrainingStateKeeper.init)))
    } catch let error as TrainingError {
      guard case .notFinite = error, let latest = keeper?.latest else { throw error }
      throw StoppedTraining(error: error, checkpoint: latest)
    }
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
