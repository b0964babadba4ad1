/// What a backward pass needs of a forward one: a tensor as it was or, where products round to bf16, rounded likewise.

/// Empty until an operation asks for it; several that need the same tensor share one.
package final class Kept {
  private var tensor: Tensor?

  package init() {}

  /// Keeps a tensor that nobody else needs.
  convenience init(_ value: Tensor) {
    self.init()
    hold(value)
  }

  /// Keeps a tensor, once.
  func hold(_ value: Tensor) {
    if tensor == nil { tensor = value.device.kept(value) }
  }

  /// The tensor as it is kept.
  var stored: Tensor {
    guard let tensor else { preconditionFailure("nothing was kept") }
    return tensor
  }

  /// The tensor in fp32.
  var value: Tensor { stored.dtype == .f32 ? stored : stored.device.converted(stored, to: .f32) }
}
