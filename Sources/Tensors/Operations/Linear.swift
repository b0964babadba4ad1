/// y = f(x·Wᵀ + b + s·((dropout(x)·Aᵀ)·Bᵀ)): a linear map, its adapter (Hu et al. 2021) and its activation in one pass.
/// Backward, with z the argument of f and dz = dy∘f'(z):
///   u = dropout(x)·Aᵀ, du = s·dz·B, dx = dz·W + mask∘(du·A), dW = dzᵀ·x, db = Σ dz, dB = s·dzᵀ·u, dA = duᵀ·dropout(x).
/// ΔW = s·B·A is never formed. x [n, in], y [n, out], W [out, in], b [out], A [r, in], B [out, r], u [n, r].
import CKernels

package enum Activation: Sendable {
  case identity
  /// z·Φ(z) (Hendrycks and Gimpel 2016), exact, not its tanh approximation.
  case gelu
  /// z·½(1 + tanh(√(2/π)(z + 0.044715z³))), the approximation that some models are trained with.
  case geluTanh
  case tanh

  fileprivate var kernel: retort_activation {
    switch self {
    case .identity: RETORT_IDENTITY
    case .gelu: RETORT_GELU
    case .geluTanh: RETORT_GELU_TANH
    case .tanh: RETORT_TANH
    }
  }
}

extension Tape {
  package func linear(
    _ x: Variable, rows: Rows, weight: Weight, bias: Weight, adapter: Adapter?, activation: Activation = .identity
  ) -> Variable {
    precondition(x.value.columns == weight.value.columns, "\(weight.name): x \(x.value.shape), W \(weight.value.shape)")
    precondition(x.value.rows == rows.count, "\(weight.name): x \(x.value.shape), \(rows.count) rows")
    let pass = LinearPass(
      engine: engine, rows: rows, x: x.kept, weight: weight, bias: bias, adapter: adapter,
      dropout: Dropout(adapter?.dropout ?? 0, tape: self))
    let trains = weight.isTrainable || bias.isTrainable || adapter != nil
    let needed = isRecording && (trains || x.gradient != nil)
    precondition(!needed || engine.precision != .int8, "int8 has no gradients")
    let flops = pass.flops
    let (y, derivative, u) = Profile.measure(.linearForward, flops: flops) {
      pass.forward(x.value, activation.kernel, keeps: needed)
    }
    return record(y, needed: needed, as: .linearBackward, flops: x.gradient == nil ? 0 : flops) {
      [below = x.gradient] in pass.backward($0, derivative: derivative, u: u, to: below)
    }
  }
}

/// What forward and backward share.
private struct LinearPass {
  let engine: Engine
  let rows: Rows
  let x: Kept
  let weight: Weight
  let bias: Weight
  let adapter: Adapter?
  let mask: DropoutMask?
  private let kernels = Kernels.active.table

  init(
    engine: Engine, rows: Rows, x: Kept, weight: Weight, bias: Weight, adapter: Adapter?, dropout: Dropout?
  ) {
    (self.engine, self.rows, self.x, self.weight, self.bias) = (engine, rows, x, weight, bias)
    self.adapter = adapter
    mask = dropout?.mask(rows, columns: weight.value.columns, on: engine)
  }

  private var outputs: Int { weight.value.rows }
  /// Of y = x·Wᵀ, of dx = dz·W, and of the gradients of W or, about, of an adapter.
  var flops: Int { 2 * rows.count * (inputs * outputs + (adapter?.rank ?? 0) * (inputs + outputs)) }
  private var inputs: Int { weight.value.columns }

  func forward(_ x: Tensor, _ f: retort_activation, keeps: Bool) -> (y: Tensor, derivative: Kept?, u: Tensor?) {
    let y = engine.matrix(rows.count, outputs)
    let derivative = keeps && f != RETORT_IDENTITY ? engine.matrix(rows.count, outputs) : nil
    let u = adapter.map { engine.matrix(rows.count, $0.rank) }
    var low: (UnsafePointer<Float>, PackedWeight, Float)?
    if let adapter, let u {
      low = (UnsafePointer(u.floats), adapter.up.packed(.forward, .fp32, on: engine), adapter.scale)
    }
    var product = Product(
      rows.count, x.floats, weight.packed(.forward, engine.precision, on: engine), into: y.floats, low: low)
    product.apply(f, bias: bias.value.floats, derivative: derivative?.floats)
    if keeps, weight.isTrainable || adapter != nil { self.x.hold(x, on: engine) }
    guard let adapter, let u else {
      product.compute(on: engine)
      return (y, derivative.map { Kept($0, on: engine) }, nil)
    }
    let inner = Product(rows.count, x.floats, adapter.down.packed(.forward, .fp32, on: engine), into: u.floats)
    let dropped = mask == nil ? 0 : Engine.panelRows * inputs
    let scratchSize = dropped + max(product.scratch, inner.scratch)
    let scratch = engine.uninitialized([engine.threads, scratchSize])
    engine.panels(rows.count, height: product.height) { panel, worker in
      let kept = scratch.floats + worker * scratchSize
      mask?.draw(panel)
      mask?.apply(x.floats + panel.lowerBound * inputs, to: kept, panel)
      inner.compute(panel, from: mask == nil ? nil : kept, scratch: kept + dropped)
      product.compute(panel, scratch: kept + dropped)
    }
    return (y, derivative.map { Kept($0, on: engine) }, keeps ? u : nil)
  }

  func backward(_ dy: Tensor, derivative: Kept?, u: Tensor?, to gradient: Gradient?) {
    // The derivative has served when it has been multiplied: dz takes its place.
    let dz = derivative?.value(on: engine).tensor ?? dy
    let du = adapter.map { engine.matrix(rows.count, $0.rank) }
    if let gradient {
      gradient.add(rows.count, inputs, on: engine) { dx, accumulate in backward(dy, dz, du, to: dx, accumulate) }
    } else if derivative != nil || adapter != nil {
      backward(dy, dz, du, to: nil, false)
    }
    let trained = (weight.isTrainable ? inputs * outputs : 0) + (adapter?.rank ?? 0) * (inputs + outputs)
    Profile.measure(.weightGradient, flops: 2 * rows.count * trained) { addWeightGradients(dz: dz, u: u, du: du) }
  }

  /// dz, du and, where it is wanted, dx, panel by panel.
  private func backward(_ dy: Tensor, _ dz: Tensor, _ du: Tensor?, to dx: Tensor?, _ accumulate: Bool) {
    let up = adapter.map { $0.up.packed(.backward, .fp32, on: engine) }
    let down = adapter.map { $0.down.packed(.backward, .fp32, on: engine) }
    var inner: Product?
    if let adapter, let du, let up {
      inner = Product(rows.count, dz.floats, up, scale: adapter.scale, into: du.floats)
    }
    // Without dropout du·A joins the tiles of dz·W; with it, it is masked first.
    var outer: Product?
    var low: (UnsafePointer<Float>, PackedWeight, Float)?
    if let dx, let du, let down {
      if mask == nil {
        low = (UnsafePointer(du.floats), down, 1)
      } else {
        outer = Product(rows.count, du.floats, down, into: dx.floats)
      }
    }
    let product = dx.map {
      Product(
        rows.count, dz.floats, weight.packed(.backward, engine.precision, on: engine), into: $0.floats,
        accumulate: accumulate, low: low)
    }
    let masked = outer == nil ? 0 : Engine.panelRows * inputs
    let scratchSize = masked + [product, inner, outer].reduce(0) { max($0, $1?.scratch ?? 0) }
    let scratch = engine.uninitialized([engine.threads, scratchSize])
    engine.panels(rows.count, height: product?.height ?? 1) { panel, worker in
      let (own, start) = (scratch.floats + worker * scratchSize, panel.lowerBound * outputs)
      let free = own + masked
      if dz.floats != dy.floats {
        kernels.pointee.multiply(dy.floats + start, dz.floats + start, dz.floats + start, panel.count * outputs)
      }
      inner?.compute(panel, scratch: free)
      product?.compute(panel, scratch: free)
      if let outer, let dx {
        outer.compute(panel, into: own, scratch: free)
        mask?.apply(own, to: dx.floats + panel.lowerBound * inputs, accumulate: true, panel)
      }
    }
  }

  private func addWeightGradients(dz: Tensor, u: Tensor?, du: Tensor?) {
    if let sum = bias.gradient {
      engine.blocks(of: outputs, size: 64) { start, count in
        for chunk in rows.chunks {
          kernels.pointee.column_sums(
            dz.floats + chunk.lowerBound * outputs, 1, sum.floats, chunk.count, outputs, start, start + count)
        }
      }
    }
    guard weight.isTrainable || adapter != nil else { return }
    let x = x.value(on: engine).tensor
    if let sum = weight.gradient { engine.addWeightGradient(to: sum, dy: dz, x: x, chunks: rows.chunks) }
    guard let adapter, let u, let du else { return }
    if let sum = adapter.up.gradient {
      engine.addWeightGradient(to: sum, dy: dz, x: u, scale: adapter.scale, chunks: rows.chunks)
    }
    guard let sum = adapter.down.gradient else { return }
    engine.addWeightGradient(to: sum, dy: du, x: x, mask: mask, chunks: rows.chunks)
  }
}
