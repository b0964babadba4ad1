/// A low-rank adapter on a linear layer (Hu et al. 2021).

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
  package func merge(into weight: Tensor, on engine: Engine) {
    let (a, b, w, inputs) = (down.value.floats, up.value.floats, weight.floats, weight.columns)
    engine.blocks(of: weight.rows, size: PackedWeight.panel) { start, count in
      gemm(
        count, inputs, rank, Matrix(b + start * rank, stride: rank), Matrix(a, stride: inputs), scale: scale,
        accumulate: true, into: Matrix(w + start * inputs, stride: inputs))
    }
  }
}
