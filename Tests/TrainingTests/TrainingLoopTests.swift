/// The loop on a toy model: learning, equal bits, what stops it, what it keeps.
import Models
import Tensors
import Testing

@testable import Training

private func settings(memory: Int = 1 << 30) -> TrainingSettings {
  var settings = TrainingSettings(memory: memory)
  settings.epochs = 3
  settings.batchSize = 24
  settings.rate = 0.05
  settings.seed = 11
  return settings
}

private let task = PairTask(pairs: toyPairs(64), loss: BinaryCrossEntropy())

/// Trains a new toy model and returns its table.
@discardableResult
private func train(
  _ model: ToyModel? = nil, _ task: PairTask = task, settings: TrainingSettings = settings(),
  observer: Recorder = Recorder(), validate: (() throws -> Validation)? = nil
) throws -> [Float] {
  let model = try model ?? ToyModel()
  var state = TrainingState(model: model)
  let loop = try TrainingLoop(model: model, task: task, settings: settings, observer: observer)
  try loop.run(from: &state, validate: validate)
  return model.table.value.array
}

@Suite struct TrainingLoopTests {
  @Test func `the loss falls and every step reports loss, rate and norm`() throws {
    let observer = Recorder()
    var settings = settings()
    settings.epochs = 10
    settings.rate = 0.3
    try train(settings: settings, observer: observer)
    let losses = try #require(observer.metrics["loss"])
    #expect(losses.count == 30)  // ⌈64/24⌉ batches in each of 10 epochs
    let (first, last): (Double, Double) = (losses.prefix(3).reduce(0, +), losses.suffix(3).reduce(0, +))
    #expect(last < 0.7 * first)
    #expect(observer.metrics["lr"]?.count == 30)
    #expect(observer.metrics["grad_norm"]?.count == 30)
  }

  @Test func `who watches the steps can end the training, and knows how many there would be`() {
    let observer = Recorder()
    observer.mostSteps = 2
    #expect {
      try train(observer: observer)
    } throws: { error in
      (error as? Recorder.Enough)?.total == 9  // ⌈64/24⌉ batches in each of 3 epochs
    }
    #expect(observer.metrics["loss"]?.count == 2)
  }

  @Test func `neither threads nor memory change a bit`() throws {
    let roomy = try ToyModel()
    let tight = try ToyModel(threads: 2)
    let table = try train(roomy)
    // One chunk: 8 sequences of 2 tokens.
    #expect(try train(tight, settings: settings(memory: ToyModel.fixedBytes + 16)) == table)
    #expect(tight.forwards > roomy.forwards)
  }

  @Test func `a chunk that does not fit is refused with what to lower`() {
    #expect {
      try train(settings: settings(memory: ToyModel.fixedBytes + 15))
    } throws: { error in
      guard case TrainingError.doesNotFit(let needed, let available, let remedies)? = error as? TrainingError else {
        return false
      }
      return needed == 16 && available == 15 && remedies.map(\.change) == ["max_len: 1"]
        && remedies.map(\.bytes) == [8]
    }
  }

  @Test func `accumulating two batches is one batch of both`() throws {
    var whole = settings()
    whole.batchSize = 32
    whole.optimizer.epsilon = 1  // so that rounding of small gradients is not blown up
    var halves = whole
    halves.batchSize = 16
    halves.accumulation = 2
    // Without the toy's dropout, whose masks follow the batch.
    let tables = try [whole, halves].map { try train(ToyModel(dropout: false), settings: $0) }
    #expect(zip(tables[0], tables[1]).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test func `the weights of the best epoch are kept`() throws {
    var one = settings()
    one.epochs = 1
    one.schedule = .constant
    one.warmup = .steps(0)
    var three = one
    three.epochs = 3
    let scores = [0.9, 0.2, 0.3]
    var epoch = 0
    let kept = try train(settings: three) {
      defer { epoch += 1 }
      return Validation([
        ValidationMetric("loss", 1, higherIsBetter: false), ValidationMetric("ndcg@10", scores[epoch]),
      ])
    }
    three.bestMetric = "ndcg@10"
    epoch = 0
    let best = try train(settings: three) {
      defer { epoch += 1 }
      return Validation([
        ValidationMetric("loss", 1, higherIsBetter: false), ValidationMetric("ndcg@10", scores[epoch]),
      ])
    }
    // A loss that never changes keeps the first epoch too: only better is better.
    #expect(kept == best)
    #expect(try train(settings: one) == best)
    three.keep = .last
    let last = try train(settings: three) { Validation([ValidationMetric("ndcg@10", 0)]) }
    #expect(last != best)
  }

  @Test func `choosing by a metric that validation does not give is an error that lists those it gives`() {
    #expect {
      try train { Validation([ValidationMetric("mrr@10", 1)]) }
    } throws: {
      "\($0)".contains("`loss`") && "\($0)".contains("mrr@10")
    }
  }

  @Test func `a loss that is not finite stops the training and names step, records and tensor`() throws {
    let model = try ToyModel()
    model.set(10, to: .nan)
    #expect {
      try train(model, PairTask(pairs: toyPairs(4), loss: BinaryCrossEntropy()))
    } throws: {
      let message = "\($0)"
      return message.contains("step 1") && message.contains("r3") && message.contains("table.weight")
    }
  }

  @Test func `continuing from a saved state gives the bits of an uninterrupted training`() throws {
    let model = try ToyModel()
    var state = TrainingState(model: model)
    // Three batches an epoch: the fifth is in the middle of the second.
    let interrupted = try TrainingLoop(
      model: model, task: InterruptedTask(task, limit: 5), settings: settings(), observer: Recorder())
    #expect(throws: InterruptedTask.Interruption.self) { try interrupted.run(from: &state, validate: nil) }
    let loop = try TrainingLoop(model: model, task: task, settings: settings(), observer: Recorder())
    try loop.run(from: &state, validate: nil)
    #expect(try train() == model.table.value.array)
  }

  @Test func `nothing to train on is an error`() {
    #expect(throws: TrainingError.self) { try train(ToyModel(), PairTask(pairs: [], loss: BinaryCrossEntropy())) }
  }
}
