/// y = f(x·Wᵀ + b + s·((dropout(x)·Aᵀ)·Bᵀ)): a linear map, its adapter (Hu et al. 2021) and its activation in one pass.
/// Backward, with z the argument of f and dz = dy∘f'(z):
///   u = dropout(x)·Aᵀ, du = s·dz·B, dx = dz·W + mask∘(du·A), dW = dzᵀ·x, db = Σ dz, dB = s·dzᵀ·u, dA = duᵀ·dropout(x).
/// ΔW = s·B·A is never formed. x [n, in], y [n, out], W [out, in], b [out], A [r, in], B [out, r], u [n, r].
import CKernels

package enum Activation: Sendable {
  case identity
  /// z·Φ(z) (Hendrycks and Gimpel 2016), exact, not its tanh approximation.
  case gelu
  case tanh

  fileprivate var kernel: retort_activation {
    switch self {
    case .identity: RETORT_IDENTITY
    case .gelu: RETORT_GELU
    case .tanh: RETORT_TANH
    }
  }
}

extension Tape {
  package func linear(
    _ x: Variable, rows: Rows, weight: Weight, bias: Weight, adapter: Adapter?, activation: Activation = .identity
  ) -> Variable {
    let pass = LinearPass(
      engine: engine, rows: rows, x: engine.panelled(x.value), weight: weight, bias: bias, adapter: adapter,
      dropout: Dropout(adapter?.dropout ?? 0, tape: self))
    let trains = weight.isTrainable || bias.isTrainable || adapter != nil
    let needed = isRecording && (trains || x.gradient != nil)
    let flops = pass.flops
    let (y, derivative, u) = Profile.measure(.linearForward, flops: flops) {
      pass.forward(activation.kernel, keeps: needed)
    }
    return record(y, needed: needed, as: .linearBackward, flops: x.gradient == nil ? 0 : flops) {
      pass.backward($0, derivative: derivative, u: u, to: x.gradient)
    }
  }
}

/// What forward and backward share.
private struct LinearPass {
  let engine: Engine
  let rows: Rows
  let x: Tensor
  let weight: Weight
  let bias: Weight
  let adapter: Adapter?
  let dropout: Dropout?
  private let kernels = Kernels.active.table

  init(
    engine: Engine, rows: Rows, x: Tensor, weight: Weight, bias: Weight, adapter: Adapter?, dropout: Dropout?
  ) {
    (self.engine, self.rows, self.x, self.weight, self.bias) = (engine, rows, x, weight, bias)
    (self.adapter, self.dropout) = (adapter, dropout)
    precondition(x.columns == weight.value.columns, "\(weight.name): x \(x.shape), W \(weight.value.shape)")
    precondition(x.rows == rows.count, "\(weight.name): x \(x.shape), \(rows.count) rows")
  }

  private var outputs: Int { weight.value.rows }
  /// Of y = x·Wᵀ, of dx = dz·W, and of the gradients of W or, about, of an adapter.
  var flops: Int { 2 * rows.count * (inputs * outputs + (adapter?.rank ?? 0) * (inputs + outputs)) }
  private var inputs: Int { weight.value.columns }

  func forward(_ f: retort_activation, keeps: Bool) -> (y: Tensor, derivative: Tensor?, u: Tensor?) {
    let y = engine.matrix(rows.count, outputs)
    let derivative = keeps && f != RETORT_IDENTITY ? engine.matrix(rows.count, outputs) : nil
    let u = adapter.map { engine.matrix(rows.count, $0.rank) }
    let packed = PackedWeight(weight.value)
    let dropped = dropout.map { _ in engine.uninitialized([engine.threads, PackedWeight.panel, inputs]) }
    engine.panels(rows.count) { start, count, worker in
      let (from, to) = (x.floats + start * inputs, y.floats + start * outputs)
      packed.multiply(from, into: to)
      if let adapter, let u {
        let kept = dropped.map { $0.floats + worker * PackedWeight.panel * inputs } ?? from
        dropPanel(start, count, to: kept)
        let inner = u.floats + start * adapter.rank
        PackedWeight(adapter.down.value).multiply(kept, into: inner)
        PackedWeight(adapter.up.value).multiply(inner, into: to, accumulate: true, scale: adapter.scale)
      }
      kernels.pointee.activate(
        f, to, bias.value.floats, derivative.map { $0.floats + start * outputs }, count, outputs)
    }
    return (y, derivative, keeps ? u : nil)
  }

  /// mask∘x of one panel; nothing without dropout.
  private func dropPanel(_ start: Int, _ count: Int, to out: UnsafeMutablePointer<Float>) {
    guard let dropout else { return }
    dropout.apply(x.floats + start * inputs, to: out, rows: rows, start: start, count: count, columns: inputs)
    (out + count * inputs).update(repeating: 0, count: (PackedWeight.panel - count) * inputs)
  }

  func backward(_ dy: Tensor, derivative: Tensor?, u: Tensor?, to gradient: Gradient?) {
    let dy = engine.panelled(dy)
    // The derivative has served when it has been multiplied: dz takes its place.
    let dz = derivative ?? dy
    let du = adapter.map { engine.matrix(rows.count, $0.rank) }
    let dropped = dropout.map { _ in engine.matrix(rows.count, inputs) }
    let packed = PackedWeight(weight.value)
    let scratch = dropout.map { _ in engine.uninitialized([engine.threads, PackedWeight.panel, inputs]) }

    func panels(_ dx: Tensor?, _ accumulate: Bool) {
      engine.panels(rows.count) { start, count, worker in
        let slope = dz.floats + start * outputs
        if derivative != nil { kernels.pointee.multiply(dy.floats + start * outputs, slope, slope, count * outputs) }
        let target = dx.map { $0.floats + start * inputs }
        if let target { packed.multiplyTransposed(slope, into: target, accumulate: accumulate) }
        guard let adapter, let du else { return }
        let inner = du.floats + start * adapter.rank
        PackedWeight(adapter.up.value).multiplyTransposed(slope, into: inner, scale: adapter.scale)
        if let dropped { dropPanel(start, count, to: dropped.floats + start * inputs) }
        guard let target else { return }
        if let dropout, let scratch {
          let product = scratch.floats + worker * PackedWeight.panel * inputs
          PackedWeight(adapter.down.value).multiplyTransposed(inner, into: product)
          dropout.apply(
            product, to: target, accumulate: true, rows: rows, start: start, count: count, columns: inputs)
        } else {
          PackedWeight(adapter.down.value).multiplyTransposed(inner, into: target, accumulate: true)
        }
      }
    }
    if let gradient {
      gradient.add(rows.count, inputs, on: engine, panels)
    } else if derivative != nil || adapter != nil {
      panels(nil, false)
    }
    let trained = (weight.isTrainable ? inputs * outputs : 0) + (adapter?.rank ?? 0) * (inputs + outputs)
    Profile.measure(.weightGradient, flops: 2 * rows.count * trained) {
      addWeightGradients(dz: dz, u: u, du: du, dropped: dropped ?? x)
    }
  }

  private func addWeightGradients(dz: Tensor, u: Tensor?, du: Tensor?, dropped: Tensor) {
    if let sum = weight.gradient { addWeightGradient(to: sum, dy: dz, x: x, chunks: rows.chunks, on: engine) }
    if let sum = bias.gradient {
      engine.blocks(of: outputs, size: 64) { start, count in
        for chunk in rows.chunks {
          kernels.pointee.column_sums(
            dz.floats + chunk.lowerBound * outputs, 1, sum.floats, chunk.count, outputs, start, start + count)
        }
      }
    }
    guard let adapter, let u, let du else { return }
    if let sum = adapter.up.gradient {
      addWeightGradient(to: sum, dy: dz, x: u, scale: adapter.scale, chunks: rows.chunks, on: engine)
    }
    if let sum = adapter.down.gradient {
      addWeightGradient(to: sum, dy: du, x: dropped, chunks: rows.chunks, on: engine)
    }
  }
}
