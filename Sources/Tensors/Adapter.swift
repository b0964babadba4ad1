/// A low-rank adapter on a linear layer (Hu et al. 2021). Its products are fp32 always.

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

  /// r
  var rank: Int { down.value.rows }

  /// W += s·B·A.
  package func merge(into weight: Weight, on engine: Engine) {
    let layout = PackedWeight(down.value, for: .backward, in: .fp32, on: engine)
    Product(
      up.value.rows, up.value.floats, layout, scale: scale, into: weight.value.floats, accumulate: true
    ).compute(on: engine)
    weight.changed()
  }
}
