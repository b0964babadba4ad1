/// A parameter of a model, under the name that its checkpoint gives it.

package final class Weight {
  /// Name in the checkpoint, e.g. `encoder.layer.0.output.dense.weight`.
  package let name: String
  /// What is saved, merged and optimised. Who writes to it while the weight is frozen calls `changed()`.
  package let value: Tensor
  /// Sum of the gradients since it was last zeroed; nil if frozen.
  package private(set) var gradient: Tensor?
  /// Whether weight decay applies: biases and norms are left alone.
  package let decays: Bool
  private var layouts: [ProductDirection: PackedWeight] = [:]

  package init(_ name: String, _ value: Tensor, decays: Bool) {
    self.name = name
    self.value = value
    self.decays = decays
  }

  package var isTrainable: Bool { gradient != nil }

  package func freeze() { gradient = nil }

  /// Gives the weight a gradient of zeros.
  package func train(on engine: Engine) {
    changed()
    gradient = engine.zeros(value.shape)
  }

  /// Lets go of the layouts that were made of the value as it was.
  package func changed() { layouts = [:] }

  /// Lays a frozen matrix out for both products, to have their memory in use before a training's is predicted.
  package func pack(on engine: Engine) {
    for direction in ProductDirection.allCases { _ = packed(direction, engine.precision, on: engine) }
  }

  /// The matrix as products want it: of a frozen weight kept, of a trainable one made anew and the caller's to keep.
  func packed(_ direction: ProductDirection, _ precision: Precision, on engine: Engine) -> PackedWeight {
    if !isTrainable, let layout = layouts[direction], layout.precision == precision { return layout }
    let layout = PackedWeight(value, for: direction, in: precision, on: engine)
    if !isTrainable { layouts[direction] = layout }
    return layout
  }
}
