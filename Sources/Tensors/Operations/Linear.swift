/// y = f(x·Wᵀ + b + s·((dropout(x)·Aᵀ)·Bᵀ)): a linear map, its adapter (Hu et al. 2021) and its activation in one pass.
/// Backward, with z the argument of f and dz = dy∘f'(z):
///   u = dropout(x)·Aᵀ, du = s·dz·B, dx = dz·W + mask∘(du·A), dW = dzᵀ·x, db = Σ dz, dB = s·dzᵀ·u, dA = duᵀ·dropout(x).
/// With `forAttention` y is rounded where the precision's attention reads bf16, and its gradient passes as if it were not.
/// ΔW = s·B·A is never formed. x [n, in], y [n, out], W [out, in], b [out], A [r, in], B [out, r], u [n, r].

package enum Activation: Sendable, CaseIterable {
  case identity
  /// z·Φ(z) (Hendrycks and Gimpel 2016), exact, not its tanh approximation.
  case gelu
  /// z·½(1 + tanh(√(2/π)(z + 0.044715z³))), the approximation that some models are trained with.
  case geluTanh
  case tanh
  /// z·σ(z) (Elfwing et al. 2018).
  case silu
}

/// What forward and backward share.
package struct LinearPass {
  package let rows: Rows
  package let weight: Weight
  package let bias: Weight?
  package let adapter: Adapter?
  /// What is dropped of the adapter's input.
  package let mask: DropoutMask?
  package let activation: Activation
  /// Whether y is rounded to bf16, as attention in bf16 wants it.
  package let rounds: Bool

  package var outputs: Int { weight.rows }
  package var inputs: Int { weight.columns }
  private var adapterSize: Int { (adapter?.rank ?? 0) * (inputs + outputs) }
  /// Of y = x·Wᵀ and of dx = dz·W, the adapter's parts included.
  fileprivate var flops: Int { 2 * rows.count * (inputs * outputs + adapterSize) }
  /// Of the gradients of W and of the adapter.
  fileprivate var gradientFlops: Int {
    2 * rows.count * ((weight.isTrainable ? inputs * outputs : 0) + adapterSize)
  }
  fileprivate var trains: Bool { weight.isTrainable || bias?.isTrainable == true || adapter != nil }
  fileprivate var needsInput: Bool { weight.isTrainable || adapter != nil }
}

extension Tape {
  package func linear(
    _ x: Variable, rows: Rows, weight: Weight, bias: Weight?, adapter: Adapter?, activation: Activation = .identity,
    forAttention: Bool = false
  ) -> Variable {
    precondition(x.value.columns == weight.columns, "\(weight.name): x \(x.value.shape), W \(weight.shape)")
    precondition(x.value.rows == rows.count, "\(weight.name): x \(x.value.shape), \(rows.count) rows")
    let (device, below, input) = (device, x.gradient, x.kept)
    let adapter = adapters ? adapter : nil
    let pass = LinearPass(
      rows: rows, weight: weight, bias: bias, adapter: adapter,
      mask: dropoutMask(adapter?.dropout ?? 0, rows, columns: weight.columns), activation: activation,
      rounds: forAttention && device.precision.roundsAttention)
    let needed = records && (pass.trains || below != nil)
    precondition(!needed || device.precision != .int8, "int8 has no gradients")
    let flops = pass.flops
    let (y, derivative, low) = Profile.measure(.linearForward, flops: flops) {
      let forward = device.linear(x.value, pass, keeps: needed)
      if needed, pass.needsInput { input.hold(x.value) }
      return (forward.y, forward.derivative.map(Kept.init), forward.low)
    }
    return record(
      y, needed: needed, as: .linearBackward, flops: below == nil ? 0 : flops, isRounded: pass.rounds
    ) { dy in
      var (dz, du) = (dy, Tensor?.none)
      let derivative = derivative?.stored
      if let below {
        below.add(pass.rows.count, pass.inputs, on: device) { dx, accumulate in
          (dz, du) = device.linearBackward(dy, pass, derivative: derivative, to: (dx, accumulate))
        }
      } else if derivative != nil || pass.adapter != nil {
        (dz, du) = device.linearBackward(dy, pass, derivative: derivative, to: nil)
      }
      guard pass.trains else { return }
      Profile.measure(.weightGradient, flops: pass.gradientFlops) {
        device.addLinearGradients(dz, pass, x: pass.needsInput ? input.stored : nil, low: low, du: du)
      }
    }
  }
}
