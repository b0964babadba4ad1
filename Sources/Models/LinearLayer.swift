/// A linear layer of a model: its weights, and the adapter that may sit on it.
import Tensors

final class LinearLayer {
  let name: String
  let weight: Weight  // [out, in]
  let bias: Weight  // [out]
  var adapter: Adapter?

  init(_ name: String, weight: Weight, bias: Weight) {
    self.name = name
    self.weight = weight
    self.bias = bias
  }

  var weights: [Weight] { [weight, bias] + (adapter.map { [$0.down, $0.up] } ?? []) }

  /// x [n, in] → [n, out]
  func callAsFunction(_ x: Variable, _ activation: Activation = .identity, rows: Rows, on tape: Tape) -> Variable {
    tape.linear(x, rows: rows, weight: weight, bias: bias, adapter: adapter, activation: activation)
  }
}
