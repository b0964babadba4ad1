/// y = (γ + s)∘n + β over each row or, where γ is narrower, over each of a row's pieces of γ's width: a head's.
/// Centred, n = (x + r - mean)/√(variance + ε) (Ba et al. 2016), else n = (x + r)/√(mean of squares + ε) (Zhang and
/// Sennrich 2019); r is an optional residual, β too, s is 0 or 1.
/// Backward, with g = (γ + s)∘dy: dx = dr = (g - mean(g) - n·mean(g∘n))/√(…), without mean(g) where n is not centred,
/// dγ = Σ dy∘n, dβ = Σ dy. x, r, y [n, pieces·width]; γ, β [width].

/// What a model's norm is made of.
package struct Norm {
  package enum Form: Sendable {
    case centred, rootMeanSquare
  }
  package let form: Form
  package let gamma: Weight  // [width]
  package let beta: Weight?  // [width]
  package let eps: Float
  /// What is added to γ, which some models keep less 1.
  package let shift: Float

  package init(_ form: Form, gamma: Weight, beta: Weight? = nil, eps: Float, shift: Float = 0) {
    (self.form, self.gamma, self.beta, self.eps, self.shift) = (form, gamma, beta, eps, shift)
  }

  package var width: Int { gamma.count }
  fileprivate var trains: Bool { gamma.isTrainable || beta?.isTrainable == true }
}

/// What forward and backward share.
package struct NormPass {
  package let rows: Rows
  package let norm: Norm
  /// How many pieces a row has; each is normalised alone.
  package let pieces: Int

  package var count: Int { rows.count * pieces }
  /// Ranges of pieces whose gradients are summed alone, in this order.
  package var chunks: [Range<Int>] { rows.chunks.map { $0.lowerBound * pieces..<$0.upperBound * pieces } }
}

package struct NormKept {
  package let normalized: Tensor  // [n, pieces·width]
  /// 1/√(…)
  package let inverse: Tensor  // [n·pieces]

  package init(normalized: Tensor, inverse: Tensor) { (self.normalized, self.inverse) = (normalized, inverse) }
}

extension Tape {
  package func norm(_ x: Variable, residual: Variable? = nil, _ norm: Norm, rows: Rows) -> Variable {
    precondition(x.value.columns % norm.width == 0, "\(norm.gamma.name): x \(x.value.shape), γ \(norm.gamma.shape)")
    let device = device
    let pass = NormPass(rows: rows, norm: norm, pieces: x.value.columns / norm.width)
    let needed = records && (norm.trains || x.gradient != nil || residual?.gradient != nil)
    let matrices = 2 + (residual == nil ? 0 : 1) + (needed ? 1 : 0)
    let (y, forward) = Profile.measure(.norm, bytes: 4 * matrices * x.value.count) {
      device.norm(x.value, residual: residual?.value, pass, keeps: needed)
    }
    guard let forward else { return Variable(value: y, gradient: nil) }
    let (below, beside) = (x.gradient, residual?.gradient)
    let (kept, inverse) = (Kept(forward.normalized), forward.inverse)
    return record(y, needed: needed, as: .norm, bytes: 12 * y.count) { dy in
      let normalized = kept.stored
      if norm.trains { device.addNormGradients(dy, pass, normalized: normalized) }
      guard below != nil || beside != nil else { return }
      let dx = device.normBackward(dy, pass, normalized: normalized, inverse: inverse)
      below?.add(dx)
      beside?.add(dx)
    }
  }
}
