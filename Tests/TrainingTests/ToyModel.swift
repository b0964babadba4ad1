/// A model small enough to be obvious: the mean of its tokens' rows of one table, times a dropout-like factor.
import CPU
import Tensors

@testable import Models
@testable import Tokenizers
@testable import Training

final class ToyModel: SequenceModel {
  let parameters: Parameters
  let outputWidth: Int
  let maxTokens = 512
  var dropout = Dropouts()
  let table: Weight  // [vocabulary, outputWidth]
  private let drops: Bool
  /// Forward passes so far.
  private(set) var forwards = 0

  init(threads: Int = 1, vocabulary: Int = 12, width: Int = 1, dropout: Bool = true) throws {
    let device = CPU(threads: threads)
    outputWidth = width
    drops = dropout
    let values = (0..<vocabulary * width).map { Float(($0 * 37) % 101) / 101 - 0.5 }
    let builder = ModelBuilder(Given(values: values, device: device))
    table = try builder.table("table.weight", vocabulary, width, .zeros)
    parameters = Parameters(builder, on: device)
    table.train()
  }

  private struct Given: WeightSource {
    let values: [Float]
    let device: CPU
    func weight(_ request: WeightRequest) -> Weight {
      Weight(request.name, device.tensor(values, request.shape), decays: request.decays)
    }
  }

  /// As dropout: another factor for each sequence, step and seed.
  private func factor(_ key: UInt64, _ masks: Tape.Masks?) -> Float {
    guard drops, let masks else { return 1 }
    let number = key &* 31 &+ UInt64(masks.step) &* 17 &+ masks.seed
    return 0.75 + Float(number % 5) / 8
  }

  func forward(_ batch: PackedBatch, on tape: Tape) throws -> Variable {
    forwards += 1
    let factors = batch.sequenceKeys.map { factor($0, tape.masks) }
    let values = table.value.array
    var output = [Float](repeating: 0, count: batch.count * outputWidth)
    forEachShare(of: batch, factors) { place, element, share in output[place] += share * values[element] }
    let result = tape.device.tensor(output, [batch.count, outputWidth])
    return tape.record(result, needed: true, as: .embedding) { [self] gradient in
      var sum = table.gradient!.array
      let arrived = gradient.array
      forEachShare(of: batch, factors) { place, element, share in sum[element] += share * arrived[place] }
      table.gradient!.update(from: StoredTensor(sum, table.shape))
    }
  }

  /// output[place] += share · table[element] for each token and column.
  private func forEachShare(
    of batch: PackedBatch, _ factors: [Float], _ body: (_ place: Int, _ element: Int, _ share: Float) -> Void
  ) {
    for sequence in 0..<batch.count {
      let tokens = batch.offsets[sequence]..<batch.offsets[sequence + 1]
      let share = factors[sequence] / Float(tokens.count)
      for id in batch.ids[tokens] {
        for column in 0..<outputWidth {
          body(sequence * outputWidth + column, Int(id) * outputWidth + column, share)
        }
      }
    }
  }

  /// One byte for each token.
  func trainingBytes(tokensPerSequence: [Int]) -> Int { tokensPerSequence.reduce(0, +) }

  /// What the loop subtracts from `memory` before it counts activations: weight, gradient and two moments of 12 floats,
  /// each rounded up to a multiple of 64.
  static let fixedBytes = 4 * 64

  /// Puts one number into the table.
  func set(_ element: Int, to value: Float) {
    var values = table.value.array
    values[element] = value
    table.value.update(from: StoredTensor(values, table.shape))
  }
}

/// Two tokens: one that says nothing about the label, one that does.
func toyPairs(_ count: Int) -> [LabelledPair] {
  (0..<count).map { index in
    let label = index % 2
    let input = Encoding(ids: [Int32(index % 7), Int32(10 + label)], typeIDs: [0, 1], contentTokens: 2)
    return LabelledPair(record: "r\(index)", input: input, label: Double(label))
  }
}

extension PairTask {
  init(pairs: [LabelledPair], loss: BinaryCrossEntropy) {
    var reranker = RerankerLoss()
    reranker.positiveWeight = loss.positiveWeight
    self.init(lists: pairs.map { [$0] }, loss: reranker)
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
