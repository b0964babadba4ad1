/// How to train, apart from what on.

package struct TrainingSettings: Sendable {
  package enum Keep: String, Sendable, CaseIterable { case best, last }

  package var epochs = 3
  /// Items of a batch.
  package var batchSize = 16
  /// Batches whose gradients are averaged for one step.
  package var accumulation = 1
  package var rate = 2e-5
  package var schedule = Schedule.Shape.linear
  package var warmup = Schedule.Warmup.ratio(Self.warmupRatio)
  package var optimizer = AdamW()
  /// Global norm that gradients are clipped to; 0 is none.
  package var maxGradientNorm = 1.0
  package var keep = Keep.best
  /// Name of the validation metric that says which epoch is best.
  package var bestMetric = "loss"
  /// Absent: all epochs are trained.
  package var earlyStopping: EarlyStopping?
  package var seed: UInt64 = 0
  /// Bytes that the whole process may use.
  package var memory: Int

  package static let warmupRatio = 0.1

  package init(memory: Int) { self.memory = memory }
}

/// Why a training stopped.
package enum TrainingError: Error, CustomStringConvertible {
  case nothingToTrainOn
  case unknownMetric(String, available: [String])
  case notFinite(step: Int, records: [String], culprit: String)
  case doesNotFit(needed: Int, available: Int, remedies: [(change: String, bytes: Int)])

  package var description: String {
    switch self {
    case .nothingToTrainOn:
      return "there is nothing to train on: the training input has no records"
    case .unknownMetric(let name, let available):
      return "the best epoch is to be chosen by `\(name)`, but validation gives \(available.joined(separator: ", "))"
    case .notFinite(let step, let records, let culprit):
      let shown = records.prefix(8).joined(separator: ", ") + (records.count > 8 ? ", …" : "")
      return """
        the loss is not a finite number at step \(step), records \(shown); the first value to go wrong is in \(culprit). \
        Lower `lr`, or clip with `max_grad_norm`; if it is a record's output, look at that record
        """
    case .doesNotFit(let needed, let available, let remedies):
      let ways = remedies.map { "\($0.change): \(megabytes($0.bytes))" }.joined(separator: "; ")
      return """
        one training step needs \(megabytes(needed)) at least, and `memory` leaves \(megabytes(available)) for it. \
        Raise `memory`, or lower what makes a step large (\(ways))
        """
    }
  }
}

private func megabytes(_ bytes: Int) -> String { "\(max(0, bytes) / 1_000_000) MB" }
