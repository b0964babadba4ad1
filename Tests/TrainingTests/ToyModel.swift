/// A model small enough to be obvious: the mean of its tokens' rows of one table, times a dropout-like factor.
import Tensors

@testable import Models
@testable import Tokenizers
@testable import Training

final class ToyModel: SequenceModel {
  let engine: Engine
  let outputWidth: Int
  let maxTokens = 512
  let lora: LoRASettings? = nil
  let table: Weight  // [vocabulary, outputWidth]
  var weights: [Weight] { [table] }
  private let dropout: Bool
  /// Forward passes so far.
  private(set) var forwards = 0

  init(threads: Int = 1, vocabulary: Int = 12, width: Int = 1, dropout: Bool = true) {
    engine = Engine(threads: threads)
    outputWidth = width
    self.dropout = dropout
    let values = (0..<vocabulary * width).map { Float(($0 * 37) % 101) / 101 - 0.5 }
    table = Weight("table.weight", engine.tensor(values, [vocabulary, width]), decays: true)
    table.train(on: engine)
  }

  /// As dropout: another factor for each sequence, step and seed.
  private func factor(_ key: UInt64, _ mode: ForwardMode) -> Float {
    guard dropout, case .training(let seed, let step) = mode else { return 1 }
    return 0.75 + Float((key &* 31 &+ UInt64(step) &* 17 &+ seed) % 5) / 8
  }

  func forward(_ batch: PackedBatch, mode: ForwardMode) throws -> ForwardResult {
    forwards += 1
    let output = engine.zeros([batch.count, outputWidth])
    let factors = batch.sequenceKeys.map { factor($0, mode) }
    move(table.value.floats, output.floats, batch, factors, toTable: false)
    guard case .training = mode else { return ForwardResult(output: output, backward: nil) }
    return ForwardResult(output: output) { [self] gradient in
      move(table.gradient!.floats, gradient.floats, batch, factors, toTable: true)
    }
  }

  /// output[sequence] += share · table[id] for each token, or the other way round.
  private func move(
    _ table: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ batch: PackedBatch,
    _ factors: [Float], toTable: Bool
  ) {
    for sequence in 0..<batch.count {
      let tokens = batch.offsets[sequence]..<batch.offsets[sequence + 1]
      let share = factors[sequence] / Float(tokens.count)
      for id in batch.ids[tokens] {
        let (row, sum) = (table + Int(id) * outputWidth, output + sequence * outputWidth)
        for column in 0..<outputWidth {
          if toTable { row[column] += share * sum[column] } else { sum[column] += share * row[column] }
        }
      }
    }
  }

  /// One byte for each token.
  func trainingBytes(tokensPerSequence: [Int]) -> Int { tokensPerSequence.reduce(0, +) }

  /// What the loop subtracts from `memory` before it counts activations: weight, gradient and two moments of 12 floats,
  /// each rounded up to a multiple of 64.
  let fixedBytes = 4 * 64

  func trainAllWeights() {}
  func attach(lora: LoRASettings, seed: UInt64) throws {}
  func mergeLoRA() {}
}

/// Two tokens: one that says nothing about the label, one that does.
func toyPairs(_ count: Int) -> [LabelledPair] {
  (0..<count).map { index in
    let label = index % 2
    let input = Encoding(ids: [Int32(index % 7), Int32(10 + label)], typeIDs: [0, 1], contentTokens: 2)
    return LabelledPair(record: "r\(index)", input: input, label: Double(label))
  }
}

/// Remembers what it is told.
final class Recorder: TrainingObserver {
  var logs: [String] = []
  var metrics: [String: [Double]] = [:]
  func log(_ message: String) { logs.append(message) }
  func warn(_ message: String) { logs.append(message) }
  func metric(_ name: String, _ value: Double, step: Int?) { metrics[name, default: []].append(value) }
  func progress(_ done: Int, of total: Int, detail: String) {}
  /// Ends the training after so many steps.
  var mostSteps = Int.max
  struct Enough: Error { let total: Int }
  func stepped(_ done: Int, of total: Int) throws { if done >= mostSteps { throw Enough(total: total) } }
}

/// A task that breaks off when it is asked for its batch number `limit`.
final class InterruptedTask: TrainingTask {
  struct Interruption: Error {}
  private let task: PairTask
  private let limit: Int
  private var asked = 0

  init(_ task: PairTask, limit: Int) {
    self.task = task
    self.limit = limit
  }

  var itemCount: Int { task.itemCount }
  var heaviestChunk: [Int] { task.heaviestChunk }
  var remedies: [(change: String, chunk: [Int])] { task.remedies }
  func batch(of items: [Int], epoch: Int) throws -> TrainingBatch {
    asked += 1
    if asked == limit { throw Interruption() }
    return task.batch(of: items, epoch: epoch)
  }
}
