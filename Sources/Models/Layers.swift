/// Layers that architectures are made of.
import Foundation
import Tensors

/// A linear layer of a model: its weights, and the adapter that may sit on it.
package final class LinearLayer {
  let name: String
  let weight: Weight  // [out, in]
  let bias: Weight?  // [out]
  var adapter: Adapter?

  init(_ name: String, weight: Weight, bias: Weight?) {
    self.name = name
    self.weight = weight
    self.bias = bias
  }

  /// What a checkpoint of the base has.
  var ownWeights: [Weight] { [weight] + (bias.map { [$0] } ?? []) }

  /// W, or W + s·B·A.
  var mergedWeight: NamedTensor {
    guard let adapter else { return NamedTensor(weight) }
    return NamedTensor(weight.name, weight.shape) { [weight] () -> Data in
      let merged = weight.fp32.copy()
      merged.device.merge(adapter, into: merged)
      return merged.bytes
    }
  }

  var weights: [Weight] { ownWeights + (adapter.map { [$0.down, $0.up] } ?? []) }

  /// x [n, in] → [n, out]
  package func callAsFunction(
    _ x: Variable, _ activation: Activation = .identity, forAttention: Bool = false, rows: Rows, on tape: Tape
  ) -> Variable {
    tape.linear(
      x, rows: rows, weight: weight, bias: bias, adapter: adapter, activation: activation, forAttention: forAttention)
  }
}

extension Norm {
  /// x [n, width] → [n, width], of x plus the residual
  package func callAsFunction(_ x: Variable, residual: Variable? = nil, rows: Rows, on tape: Tape) -> Variable {
    tape.norm(x, residual: residual, self, rows: rows)
  }
}
