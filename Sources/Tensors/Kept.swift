/// What a backward pass needs of a forward one: a tensor as it was or, where products round to bf16, rounded likewise.
import CKernels

/// Empty until an operation asks for it; several that need the same tensor share one.
package final class Kept {
  private var tensor: Tensor?

  package init() {}

  /// Keeps a tensor that nobody else needs.
  convenience init(_ value: Tensor, on engine: Engine) {
    self.init()
    hold(value, on: engine)
  }

  /// Keeps a tensor, once.
  func hold(_ value: Tensor, on engine: Engine) {
    guard tensor == nil else { return }
    tensor = engine.precision.keepsHalf ? engine.narrowed(value) : value
  }

  /// The tensor in fp32. If it is `fresh`, it is nobody else's.
  func value(on engine: Engine) -> (tensor: Tensor, fresh: Bool) {
    guard let tensor else { preconditionFailure("nothing was kept") }
    return tensor.dtype == .bf16 ? (engine.widened(tensor), true) : (tensor, false)
  }
}

extension Precision {
  /// Whether activations wait for the backward pass in bf16, half as large.
  package var keepsHalf: Bool { self == .bf16 }
}

extension Engine {
  fileprivate func narrowed(_ x: Tensor) -> Tensor {
    let result = uninitialized(x.shape, .bf16)
    let (from, to, narrow) = (x.floats, result.brains, Kernels.active.table.pointee.narrow!)
    blocks(of: x.count, size: Self.conversionBlock) { start, count in narrow(from + start, to + start, count) }
    return result
  }

  fileprivate func widened(_ x: Tensor) -> Tensor {
    let result = uninitialized(x.shape)
    let (from, to, widen) = (x.brains, result.floats, Kernels.active.table.pointee.widen!)
    blocks(of: x.count, size: Self.conversionBlock) { start, count in
      widen(from + start, RETORT_BF16, to + start, count)
    }
    return result
  }

  private static let conversionBlock = 1 << 15
}
