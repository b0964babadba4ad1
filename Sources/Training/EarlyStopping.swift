/// When a training ends before its last epoch: where the curve of its best metric no longer rises.

package struct EarlyStopping: Sendable, Hashable {
  /// Validations without a better one after which the training ends.
  package var patience: Int
  /// By how much a validation has to be better, exclusive.
  package var minDelta: Double

  package init(patience: Int, minDelta: Double) {
    self.patience = patience
    self.minDelta = minDelta
  }

  /// Whether a training with this curve is over.
  func isOver(_ curve: [ValidationMetric]) -> Bool { Standstill(curve, minDelta: minDelta).validations >= patience }
}

/// How long a curve has not become better.
struct Standstill: Hashable {
  /// The last validation that was better than all before it.
  private(set) var best = 0
  /// Those since then.
  private(set) var validations = 0
  /// The most of any earlier standstill.
  private(set) var mostBefore = 0

  /// - Parameter curve: one metric, a value an epoch; what is not a number is not better.
  init(_ curve: [ValidationMetric], minDelta: Double = 0) {
    for (place, metric) in curve.enumerated().dropFirst() {
      let isFirst = curve[best].value.isNaN && !metric.value.isNaN
      if isFirst || metric.isBetter(than: curve[best].value, by: minDelta) {
        mostBefore = max(mostBefore, validations)
        (best, validations) = (place, 0)
      } else {
        validations += 1
      }
    }
  }
}
