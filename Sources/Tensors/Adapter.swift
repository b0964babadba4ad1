/// A low-rank adapter on a linear layer.

package final class Adapter {
  package let down: Weight  // A [r, in]
  package let up: Weight  // B [out, r]
  /// The factor s.
  package let scale: Float
  /// Probability that an element of the adapter's input is zeroed in training.
  package let dropout: Double

  package init(down: Weight, up: Weight, scale: Float, dropout: Double) {
    self.down = down
    self.up = up
    self.scale = scale
    self.dropout = dropout
  }
}

extension Adapter {
  /// W += s·B·A.
  package func merge(into weight: Tensor, on engine: Engine) {}
}
