/// y = γ∘n + β, n = (x + r - mean)/√(variance + ε), over each row; r is an optional residual (Ba et al. 2016).
/// Backward, with g = γ∘dy: dx = dr = (g - mean(g) - n·mean(g∘n))/√(variance + ε), dγ = Σ dy∘n, dβ = Σ dy.
/// x, r, y [n, width]; γ, β [width].
import CKernels

extension Tape {
  package func layerNorm(
    _ x: Variable, residual: Variable? = nil, rows: Rows, gamma: Weight, beta: Weight, eps: Float
  ) -> Variable {
    let (engine, count, columns) = (engine, x.value.rows, x.value.columns)
    let kernels = Kernels.active.table
    let trains = gamma.isTrainable || beta.isTrainable
    let needed = isRecording && (trains || x.gradient != nil || residual?.gradient != nil)
    let y = engine.matrix(count, columns)
    let normalized = needed ? engine.uninitialized([count, columns]) : nil
    let inverse = needed ? engine.uninitialized([count]) : nil
    let matrices = 2 + (residual == nil ? 0 : 1) + (needed ? 1 : 0)
    Profile.measure(.norm, bytes: 4 * matrices * y.count) {
      engine.blocks(of: count, size: 64) { start, length in
        let offset = start * columns
        kernels.pointee.layer_norm(
          x.value.floats + offset, residual.map { $0.value.floats + offset }, gamma.value.floats, beta.value.floats,
          eps, y.floats + offset, normalized.map { $0.floats + offset }, inverse.map { $0.floats + start }, length,
          columns)
      }
    }
    guard let normalized, let inverse else { return Variable(value: y, gradient: nil) }
    let (below, beside, kept) = (x.gradient, residual?.gradient, Kept(normalized, on: engine))
    return record(y, needed: needed, as: .norm, bytes: 12 * y.count) { dy in
      let normalized = kept.value(on: engine).tensor
      if let dgamma = gamma.gradient, let dbeta = beta.gradient {
        engine.blocks(of: columns, size: 64) { start, length in
          for chunk in rows.chunks {
            let offset = chunk.lowerBound * columns
            kernels.pointee.layer_norm_weights(
              dy.floats + offset, normalized.floats + offset, dgamma.floats, dbeta.floats, chunk.count, columns,
              start, start + length)
          }
        }
      }
      guard below != nil || beside != nil else { return }
      let dx = engine.matrix(count, columns)
      engine.blocks(of: count, size: 64) { start, length in
        let offset = start * columns
        kernels.pointee.layer_norm_backward(
          dy.floats + offset, normalized.floats + offset, inverse.floats + start, gamma.value.floats,
          dx.floats + offset, length, columns)
      }
      below?.add(dx, on: engine)
      beside?.add(dx, on: engine)
    }
  }
}
