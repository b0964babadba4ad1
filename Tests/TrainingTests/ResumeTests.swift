/// A training that is stopped anywhere and taken up by another process gives the bits of one that was not.
import CPU
import Foundation
import Models
import Tensors
import Testing

@testable import Training

private struct Stop: Error {}

private struct Saved: Equatable {
  var outline: Data
  var tensors: [Data]
}

/// Copies the state at the moment number `limit`, and ends the training there.
private final class StoppingKeeper: TrainingKeeper {
  private let limit: Int
  private var moments = 0
  private(set) var saved: Saved?
  private(set) var final: Saved?

  init(limit: Int) { self.limit = limit }

  func reached(_ state: TrainingState) throws {
    moments += 1
    guard moments == limit else { return }
    saved = try copied(state)
    throw Stop()
  }

  func finished(_ state: TrainingState) throws { final = try copied(state) }

  private func copied(_ state: TrainingState) throws -> Saved {
    Saved(outline: try state.outline, tensors: state.tensors.map { Data(Array($0)) })
  }
}

private struct Outcome: Equatable {
  var table: [Float]
  var kept: Validation
  var start: [Double]?
  var metrics: [String: [Double]]
}

/// Three epochs of three batches, two to a step, so that an epoch ends with a smaller step; the best of them is kept.
private struct Training {
  var epochs = 3
  /// Of each batch at once; the least is one chunk.
  var tight = false

  private var settings: TrainingSettings {
    let fixed = ToyModel.fixedBytes * 2  // the best weights are as large as the others together at most
    var settings = TrainingSettings(memory: tight ? fixed + 16 : 1 << 30)
    settings.epochs = epochs
    settings.batchSize = 24
    settings.accumulation = 2
    settings.rate = 0.05
    settings.schedule = .constant
    settings.warmup = .steps(3)
    settings.seed = 11
    return settings
  }

  func run(
    from saved: Saved? = nil, keeper: (any TrainingKeeper)? = nil,
    observer: Recorder = Recorder()
  ) throws -> Outcome {
    let model = try ToyModel(threads: 1)
    let loop = try TrainingLoop(
      model: model, task: PairTask(pairs: toyPairs(64), loss: BinaryCrossEntropy()), settings: settings,
      observer: observer)
    var state = TrainingState(model: model)
    if let saved { try state.restore(outline: saved.outline, tensors: saved.tensors) }
    // Best in the second epoch: what the best weights are then, no later checkpoint may lose.
    let epochOfStep = [2: 0.4, 4: 0.1, 6: 0.3, 8: 0.2]
    let kept = try loop.run(
      from: &state,
      start: {
        observer.logs.append("start")
        return [0.25, Double(observer.metrics["loss"]?.count ?? 0)]
      },
      validate: {
        let loss = Self.value(epochOfStep, observer)
        return Validation([ValidationMetric("loss", loss, higherIsBetter: false)], queries: [loss, 1 - loss])
      },
      keeper: keeper)
    return Outcome(table: model.table.value.array, kept: kept, start: state.start, metrics: observer.metrics)
  }

  private static func value(_ values: [Int: Double], _ observer: Recorder) -> Double {
    values[observer.metrics["loss"]?.count ?? 0] ?? .nan
  }
}

@Suite struct ResumeTests {
  @Test(arguments: [false, true])
  func `stopped at any moment and resumed, a training gives the same bits and each metric once`(tight: Bool) throws {
    let training = Training(tight: tight)
    let whole = try training.run()
    #expect(whole.kept == Validation([ValidationMetric("loss", 0.1, higherIsBetter: false)], queries: [0.1, 0.9]))
    #expect(whole.start == [0.25, 0])
    // The beginning, two steps and an epoch's end in each of three epochs.
    for moment in 1...10 {
      let observer = Recorder()
      let keeper = StoppingKeeper(limit: moment)
      #expect(throws: Stop.self) { try training.run(keeper: keeper, observer: observer) }
      #expect(keeper.saved != nil)
      // Whoever resumes knows what was reported up to the saved state.
      let resumed = try training.run(from: keeper.saved, observer: observer)
      #expect(resumed == whole, "moment \(moment)")
      #expect(observer.logs.count { $0 == "start" } == 1, "moment \(moment)")
    }
    let after = StoppingKeeper(limit: 11)
    #expect(try training.run(keeper: after) == whole)
  }

  @Test func `the final state of two epochs, continued to three, gives the bits of three from the start`() throws {
    let observer = Recorder()
    let keeper = StoppingKeeper(limit: .max)
    _ = try Training(epochs: 2).run(keeper: keeper, observer: observer)
    let three = Training(epochs: 3)
    let continued = try three.run(from: keeper.final, observer: observer)
    #expect(try continued == three.run())
  }

  @Test func `a state from before trainings were judged is taken, and says that it knows no start`() throws {
    var state = TrainingState(model: try ToyModel())
    state.start = [0.5]
    state.validation = [ValidationMetric("a", 1)]
    #expect(try TrainingState.hasStart(state.outline))
    var fields = try #require(try JSONSerialization.jsonObject(with: state.outline) as? [String: Any])
    for name in ["start", "queries", "curve"] { fields[name] = nil }
    let old = try JSONSerialization.data(withJSONObject: fields)
    #expect(try !TrainingState.hasStart(old))
    var other = TrainingState(model: try ToyModel())
    other.start = [0.75]
    try other.restore(outline: old, tensors: state.tensors)
    #expect(other.start == [0.75] && other.validation == state.validation && other.curve.isEmpty)
  }

  @Test func `a state of another model is refused with what was found`() throws {
    let state = TrainingState(model: try ToyModel())
    var other = TrainingState(model: try ToyModel(vocabulary: 13))
    let engine = CPU(threads: 1)
    let refusal = #expect(throws: UnfitState.self) {
      try other.restore(outline: state.outline, tensors: state.tensors)
    }
    #expect("\(try #require(refusal))".contains("--force"))
    #expect(throws: UnfitState.self) {
      var same = TrainingState(model: try ToyModel())
      try same.restore(outline: state.outline, tensors: Array(state.tensors.dropLast()))
    }
  }

  @Test func `numbers that are not finite survive, and weights that are not are no state to go on from`() throws {
    let model = try ToyModel()
    var state = TrainingState(model: model)
    state.validation = [ValidationMetric("a", .nan), ValidationMetric("b", -.infinity), ValidationMetric("c", -0.0)]
    var copy = TrainingState(model: try ToyModel())
    try copy.restore(outline: state.outline, tensors: state.tensors)
    #expect(copy.validation.map(\.value.bitPattern) == state.validation.map(\.value.bitPattern))
    #expect(state.isFinite)
    model.set(3, to: .nan)
    #expect(!state.isFinite)
  }
}
