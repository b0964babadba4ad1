/// What the loop trains on: items in batches, each with its loss.
import Foundation
import Models
import Tensors

/// One batch: its sequences, what a message calls them, and the loss of the model's outputs.
package struct TrainingBatch {
  /// Chunks never split what the loss needs to see together in order to fit.
  package var sequences: PackedBatch
  /// Ids of the records that the batch was made of.
  package var records: [String]
  /// From the outputs, [sequences, width], unnormalised.
  package var loss: (_ outputs: [Double]) -> Loss
}

/// Records to train on.
package protocol TrainingTask {
  var itemCount: Int { get }
  /// What the task trains beside the model.
  var temperature: Temperature? { get }
  /// The items of each batch of an epoch, at most `size` each.
  func batches(of size: Int, epoch: Int, _ draws: SeededDraws) -> [[Int]]
  /// How many these are.
  func batchCount(of size: Int, epoch: Int, _ draws: SeededDraws) -> Int
  /// The same for the same items and epoch, whatever else was asked for before. Asked for from a thread that works
  /// ahead of the training, one batch after the other.
  func batch(of items: [Int], epoch: Int) throws -> TrainingBatch
  /// Tokens of each sequence of the largest chunk that can occur.
  var heaviestChunk: [Int] { get }
  /// What a person may lower when that chunk does not fit, and its token counts then.
  var remedies: [(change: String, chunk: [Int])] { get }
  /// Whether a batch is made of what the model says at that moment: then none is made ahead, and each is asked for once.
  var followsModel: Bool { get }
  /// What batches to come follow from besides items, epoch and model; `nil` for nothing.
  func saved() throws -> Data?
  /// Becomes what was saved; `nil`: what it was at the beginning.
  func restore(_ saved: Data?) throws
}

extension TrainingTask {
  package var temperature: Temperature? { nil }
  package var followsModel: Bool { false }
  package func saved() throws -> Data? { nil }
  package func restore(_ saved: Data?) throws {}

  /// All items in an order of the epoch's own.
  package func batches(of size: Int, epoch: Int, _ draws: SeededDraws) -> [[Int]] {
    draws.order(of: itemCount, epoch: epoch).batches(of: size)
  }

  package func batchCount(of size: Int, epoch: Int, _ draws: SeededDraws) -> Int { (itemCount + size - 1) / size }
}

extension [Int] {
  /// Stretches of `size`, the last perhaps shorter.
  func batches(of size: Int) -> [[Int]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }
}

/// A number that validation gives; epochs are compared by one of them.
package struct ValidationMetric: Sendable, Hashable, Codable {
  package var name: String
  package var value: Double
  package var higherIsBetter: Bool

  package init(_ name: String, _ value: Double, higherIsBetter: Bool = true) {
    self.name = name
    self.value = value
    self.higherIsBetter = higherIsBetter
  }

  /// - Parameter margin: by how much at least, exclusive.
  func isBetter(than other: Double, by margin: Double = 0) -> Bool {
    higherIsBetter ? value > other + margin : value < other - margin
  }

  /// What lines for people call it: training has a loss, too.
  var shownName: String { name == "loss" ? "validation_loss" : name }
}

/// What validation gives of the weights as they are.
package struct Validation: Sendable, Hashable {
  package var metrics: [ValidationMetric]
  /// What the training is judged by: a metric of each query, in the queries' order; empty where nothing ranks.
  package var queries: [Double]

  package init(_ metrics: [ValidationMetric], queries: [Double] = []) {
    self.metrics = metrics
    self.queries = queries
  }
}

/// Where a training's numbers go; a stage's context is one.
package protocol TrainingObserver {
  func log(_ message: String)
  func warn(_ message: String)
  func metric(_ name: String, _ value: Double, step: Int?)
  func progress(_ done: Int, of total: Int, detail: String)
  /// After each step of the optimizer; an error ends the training there.
  func stepped(_ done: Int, of total: Int) throws
}

extension TrainingObserver {
  package func stepped(_ done: Int, of total: Int) throws {}
}
