/// Binary cross-entropy of logits, the teacher's loss.
import Basics

/// Mean over n of −[w·y·ln σ(x) + (1 − y)·ln(1 − σ(x))], as torch's `BCEWithLogitsLoss(pos_weight=w)`.
package struct BinaryCrossEntropy: Sendable {
  /// How much a positive counts against a negative.
  package var positiveWeight: Double

  package init(positiveWeight: Double = 1) { self.positiveWeight = positiveWeight }

  /// - Parameters:
  ///   - logits: [n].
  ///   - labels: [n], each in 0…1.
  package func callAsFunction(logits: [Double], labels: [Double]) -> Loss {
    precondition(logits.count == labels.count, "one label for each logit")
    let count = Double(logits.count)
    var value = 0.0
    var gradient: [Double] = []
    gradient.reserveCapacity(logits.count)
    for (x, y) in zip(logits, labels) {
      value += positiveWeight * y * softplus(-x) + (1 - y) * softplus(x)
      gradient.append(((1 - y) * sigmoid(x) - positiveWeight * y * sigmoid(-x)) / count)
    }
    return Loss(value: value / count, parts: [], gradient: gradient)
  }
}
