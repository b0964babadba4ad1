/// Sums of outer products: the gradients of linear maps.
import CKernels
import Tensors

extension CPU {
  /// Adds the gradient of a linear map's matrix W [out, in], y = x·Wᵀ, to `sum`: scale·dyᵀ·x over each chunk of rows, in
  /// order; of mask∘x, if there is a mask; x is as it was kept. Threads share outputs and inputs, never the summed rows.
  func addWeightGradient(
    to sum: Tensor, dy: Tensor, x: Tensor, mask: DropoutMask? = nil, scale: Float = 1, chunks: [Range<Int>]
  ) {
    let (outputs, inputs) = (sum.rows, sum.columns)
    let (gradient, left) = (sum.floats, dy.floats)
    let (height, width) = gradientBlock(outputs, inputs)
    let across = (inputs + width - 1) / width
    let scratch = scratch(Int(RETORT_OUTER_SCRATCH))
    parallel((outputs + height - 1) / height * across) { piece, worker in
      let (row, column) = (piece / across * height, piece % across * width)
      for chunk in chunks {
        var job = retort_outer(
          a: left + chunk.lowerBound * outputs, a_stride: outputs, b: x.rounded(from: chunk.lowerBound * inputs),
          b_stride: inputs, depth: chunk.count, kept: mask?.kept(from: chunk.lowerBound),
          kept_scale: mask?.site.scale ?? 1, scale: scale, sum: gradient, stride: inputs)
        table.add_outer(
          &job, row, min(height, outputs - row), column, min(column + width, inputs), scratch.of(worker))
      }
    }
  }

  /// The largest blocks that keep every thread busy: columns are cut first, as what is laid out of rows serves all.
  private func gradientBlock(_ outputs: Int, _ inputs: Int) -> (height: Int, width: Int) {
    var (height, width) = (min(outputs, Int(RETORT_OUTER_ROWS)), min(inputs, 512))
    func pieces() -> Int { ((outputs + height - 1) / height) * ((inputs + width - 1) / width) }
    while pieces() < 2 * threads, width > 64 { width = (width / 2 + 31) / 32 * 32 }
    while pieces() < 2 * threads, height > 24 { height = (height / 2 + 11) / 12 * 12 }
    return (height, width)
  }
}
