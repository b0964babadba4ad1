/// Linear maps with their adapters and activations, forward and backward, panel by panel.
import CKernels
import Tensors

extension Activation {
  var kernel: retort_activation {
    switch self {
    case .identity: RETORT_IDENTITY
    case .gelu: RETORT_GELU
    case .geluTanh: RETORT_GELU_TANH
    case .tanh: RETORT_TANH
    case .silu: RETORT_SILU
    }
  }
}

extension CPU {
  /// What adapters' products are computed in.
  private var adapterPrecision: Precision { precision == .bf16 ? .bf16 : .fp32 }

  package func linear(
    _ x: Tensor, _ pass: LinearPass, keeps: Bool
  ) -> (y: Tensor, derivative: Tensor?, low: Tensor?) {
    let (rows, inputs) = (pass.rows.count, pass.inputs)
    let y = matrix(rows, pass.outputs)
    let derivative =
      keeps && pass.activation != .identity ? uninitialized([rows, pass.outputs], precision.kept) : nil
    let u = pass.adapter.map { matrix(rows, $0.rank) }
    var low: (UnsafePointer<Float>, PackedWeight, Float)?
    if let adapter = pass.adapter, let u {
      low = (UnsafePointer(u.floats), layout(adapter.up, for: .forward, in: adapterPrecision), adapter.scale)
    }
    var product = Product(rows, x.floats, layout(pass.weight, for: .forward, in: precision), into: y.floats, low: low)
    product.apply(
      pass.activation.kernel, bias: pass.bias.map { UnsafePointer($0.value.floats) }, derivative: derivative?.rounded(),
      rounding: pass.rounds ? table.round : nil)
    guard let adapter = pass.adapter, let u else {
      product.compute(on: self)
      return (y, derivative, nil)
    }
    let inner = Product(rows, x.floats, layout(adapter.down, for: .forward, in: adapterPrecision), into: u.floats)
    let mask = pass.mask
    let dropped = mask == nil ? 0 : product.panel * inputs
    let scratch = scratch(dropped + max(product.scratch, inner.scratch))
    panels(rows, of: product.panel, height: product.height) { panel, worker in
      let kept = scratch.of(worker)
      mask?.draw(panel, by: table)
      mask?.apply(x.floats + panel.lowerBound * inputs, to: kept, panel, by: table)
      inner.compute(panel, from: mask == nil ? nil : kept, scratch: kept + dropped)
      product.compute(panel, scratch: kept + dropped)
    }
    return (y, derivative, keeps ? u : nil)
  }

  package func linearBackward(
    _ dy: Tensor, _ pass: LinearPass, derivative: Tensor?, to dx: (target: Tensor, accumulate: Bool)?
  ) -> (dz: Tensor, du: Tensor?) {
    let (rows, inputs, outputs, mask) = (pass.rows.count, pass.inputs, pass.outputs, pass.mask)
    // A derivative in fp32 has served when it has been multiplied: dz takes its place.
    let dz = derivative.map { $0.dtype == .f32 ? $0 : matrix(rows, outputs) } ?? dy
    let du = pass.adapter.map { matrix(rows, $0.rank) }
    var inner: Product?
    // Without dropout du·A joins the tiles of dz·W; with it, it is masked first.
    var outer: Product?
    var low: (UnsafePointer<Float>, PackedWeight, Float)?
    if let adapter = pass.adapter, let du {
      let up = layout(adapter.up, for: .backward, in: adapterPrecision)
      inner = Product(rows, dz.floats, up, scale: adapter.scale, into: du.floats)
      if let dx {
        let down = layout(adapter.down, for: .backward, in: adapterPrecision)
        if mask == nil {
          low = (UnsafePointer(du.floats), down, 1)
        } else {
          outer = Product(rows, du.floats, down, into: dx.target.floats)
        }
      }
    }
    let product = dx.map {
      Product(
        rows, dz.floats, layout(pass.weight, for: .backward, in: precision), into: $0.target.floats,
        accumulate: $0.accumulate, low: low)
    }
    let most = product?.panel ?? Self.panelRows
    let masked = outer == nil ? 0 : most * inputs
    let scratch = scratch(masked + [product, inner, outer].reduce(0) { max($0, $1?.scratch ?? 0) })
    panels(rows, of: most, height: product?.height ?? 1) { panel, worker in
      let (own, start) = (scratch.of(worker), panel.lowerBound * outputs)
      let free = own + masked
      if let derivative {
        table.multiply(dy.floats + start, derivative.rounded(from: start), dz.floats + start, panel.count * outputs)
      }
      inner?.compute(panel, scratch: free)
      product?.compute(panel, scratch: free)
      if let outer, let dx {
        outer.compute(panel, into: own, scratch: free)
        mask?.apply(
          own, to: dx.target.floats + panel.lowerBound * inputs, accumulate: true, panel, by: table)
      }
    }
    return (dz, du)
  }

  package func addLinearGradients(_ dz: Tensor, _ pass: LinearPass, x: Tensor?, low: Tensor?, du: Tensor?) {
    let (outputs, chunks) = (pass.outputs, pass.rows.chunks)
    if let sum = pass.bias?.gradient {
      blocks(of: outputs, size: 64) { start, count in
        for chunk in chunks {
          table.column_sums(
            dz.floats + chunk.lowerBound * outputs, 1, sum.floats, chunk.count, outputs, start, start + count)
        }
      }
    }
    guard let x else { return }
    if let sum = pass.weight.gradient { addWeightGradient(to: sum, dy: dz, x: x, chunks: chunks) }
    guard let adapter = pass.adapter, let low, let du else { return }
    if let sum = adapter.up.gradient {
      addWeightGradient(to: sum, dy: dz, x: low, scale: adapter.scale, chunks: chunks)
    }
    guard let sum = adapter.down.gradient else { return }
    addWeightGradient(to: sum, dy: du, x: x, mask: pass.mask, chunks: chunks)
  }

  package func merge(_ adapter: Adapter, into weight: Tensor) {
    let down = layout(adapter.down, for: .backward, in: .fp32)
    Product(
      adapter.up.rows, adapter.up.value.floats, down, scale: adapter.scale, into: weight.floats, accumulate: true
    ).compute(on: self)
  }
}
