/// A parameter of a model, under the name that its checkpoint gives it.

package final class Weight {
  /// Name in the checkpoint, e.g. `encoder.layer.0.output.dense.weight`.
  package let name: String
  package let value: Tensor
  /// Sum of the gradients since it was last zeroed; nil if frozen.
  package private(set) var gradient: Tensor?
  /// Whether weight decay applies: biases and norms are left alone.
  package let decays: Bool

  package init(_ name: String, _ value: Tensor, decays: Bool) {
    self.name = name
    self.value = value
    self.decays = decays
  }

  package var isTrainable: Bool { gradient != nil }

  package func freeze() { gradient = nil }

  /// Gives the weight a gradient of zeros.
  package func train(on engine: Engine) { gradient = engine.zeros(value.shape) }
}
