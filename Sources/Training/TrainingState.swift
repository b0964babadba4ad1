/// All that a training is besides its settings and data: what a checkpoint has to hold, and nothing more.
import Foundation
import Models
import Tensors

/// Random numbers are functions of seed, epoch and step, so there is no generator to save.
package struct TrainingState {
  /// What trains: of the model, then of the task; fp32.
  package let weights: [Weight]
  package var moments: AdamW.Moments
  /// Epochs that are done.
  package var epoch = 0
  /// Batches of the running epoch that are done.
  package var batch = 0
  /// Optimizer steps that are done.
  package var step = 0
  /// Sum of the running epoch's batch losses.
  package var epochLoss = 0.0
  /// What validation said after the last finished epoch.
  package var validation: [ValidationMetric] = []
  /// And of each query.
  package var queries: [Double] = []
  /// The same of the model as it was before training, or of what it is compared with instead; absent until it is known.
  package var start: [Double]?
  /// The metric that chooses among epochs, after each of them.
  package var curve: [ValidationMetric] = []
  package var best: Best?
  /// See `TrainingTask.saved`.
  package var task: Data?

  /// The weights after the epoch whose validation was best.
  package struct Best {
    package var metric: ValidationMetric
    /// All that validation said after it.
    package var validation: [ValidationMetric]
    package var queries: [Double] = []
    /// Counted from 1.
    package var epoch: Int
    package var weights: [Tensor]
  }

  /// Gradients and moments start at zero.
  package init(model: any SequenceModel, temperature: Temperature? = nil) {
    weights = (model.weights + [temperature?.weight].compactMap(\.self)).filter(\.isTrainable)
    moments = AdamW.Moments(of: weights)
  }

  mutating func remember(_ metric: ValidationMetric) {
    best = Best(
      metric: metric, validation: validation, queries: queries, epoch: epoch,
      weights: weights.map { $0.value.copy() })
  }

  func restoreBest() {
    guard let best else { return }
    for (weight, value) in zip(weights, best.weights) {
      weight.value.update(from: value)
      weight.changed()
    }
  }

  /// Bytes that the best weights will take: to the byte, so that a resumed training splits its batches as before.
  var bestBytes: Int { weights.reduce(0) { $0 + $1.value.memory.bytes } }
}
