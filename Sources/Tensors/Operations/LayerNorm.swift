/// y = γ∘n + β, n = (x + r - mean)/√(variance + ε), over each row; r is an optional residual (Ba et al. 2016).
/// Backward, with g = γ∘dy: dx = dr = (g - mean(g) - n·mean(g∘n))/√(variance + ε), dγ = Σ dy∘n, dβ = Σ dy.
/// x, r, y [n, width]; γ, β [width].

/// What forward and backward share.
package struct NormPass {
  package let rows: Rows
  package let gamma: Weight
  package let beta: Weight
  package let eps: Float
}

package struct NormKept {
  package let normalized: Tensor  // [n, width]
  /// 1/√(variance + ε)
  package let inverse: Tensor  // [n]

  package init(normalized: Tensor, inverse: Tensor) { (self.normalized, self.inverse) = (normalized, inverse) }
}

extension Tape {
  package func layerNorm(
    _ x: Variable, residual: Variable? = nil, rows: Rows, gamma: Weight, beta: Weight, eps: Float
  ) -> Variable {
    let device = device
    let pass = NormPass(rows: rows, gamma: gamma, beta: beta, eps: eps)
    let trains = gamma.isTrainable || beta.isTrainable
    let needed = records && (trains || x.gradient != nil || residual?.gradient != nil)
    let matrices = 2 + (residual == nil ? 0 : 1) + (needed ? 1 : 0)
    let (y, forward) = Profile.measure(.norm, bytes: 4 * matrices * x.value.count) {
      device.norm(x.value, residual: residual?.value, pass, keeps: needed)
    }
    guard let forward else { return Variable(value: y, gradient: nil) }
    let (below, beside) = (x.gradient, residual?.gradient)
    let (kept, inverse) = (Kept(forward.normalized), forward.inverse)
    return record(y, needed: needed, as: .norm, bytes: 12 * y.count) { dy in
      let normalized = kept.stored
      if trains { device.addNormGradients(dy, pass, normalized: normalized) }
      guard below != nil || beside != nil else { return }
      let dx = device.normBackward(dy, pass, normalized: normalized, inverse: inverse)
      below?.add(dx)
      beside?.add(dx)
    }
  }
}
