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
    guard tensor == nil else { return }
    tensor = value.device.precision.keepsHalf ? value.device.converted(value, to: .bf16) : value
  }

  /// The tensor in fp32.
  var value: Tensor {
    guard let tensor else { preconditionFailure("nothing was kept") }
    return tensor.dtype == .bf16 ? tensor.device.converted(tensor, to: .f32) : tensor
  }
}
