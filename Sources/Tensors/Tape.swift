/// What a forward pass leaves behind for the backward one: coarse operations, each with its hand-written gradient.

/// The gradient of one tensor, until the operation that made the tensor takes it.
package final class Gradient {
  private var sum: Tensor?

  /// Hands the gradient over; nil if nothing reached the tensor.
  package func take() -> Tensor? {
    defer { sum = nil }
    return sum
  }

  /// Adds a gradient that several tensors may share; a later addition to one of them copies first.
  package func add(_ gradient: Tensor, on engine: Engine) {
    add(shape: gradient.shape, on: engine, first: { gradient }) { engine.add(gradient, to: $0) }
  }

  /// Adds what `write(target, accumulate)` computes: it overwrites a new target, or adds to the one there is.
  package func add(shape: [Int], on engine: Engine, _ write: (_ target: Tensor, _ accumulate: Bool) -> Void) {
    add(
      shape: shape, on: engine,
      first: {
        let target = engine.uninitialized(shape)
        write(target, false)
        return target
      }, later: { write($0, true) })
  }

  private func add(shape: [Int], on engine: Engine, first: () -> Tensor, later: (Tensor) -> Void) {
    guard var target = take() else {
      sum = first()
      return
    }
    if !target.isUnique() { target = engine.copy(target) }
    later(target)
    sum = target
  }
}

/// A tensor inside a forward pass. Without a gradient, nothing below it trains and nothing is recorded for it.
package struct Variable {
  package let value: Tensor
  package let gradient: Gradient?
}

/// Records operations while training; keeps nothing in inference. Operations are its extensions, one file each.
package final class Tape {
  package let engine: Engine
  package let isRecording: Bool
  private var steps: [() -> Void] = []

  package init(on engine: Engine, recording: Bool) {
    self.engine = engine
    isRecording = recording
  }

  /// A result whose backward step adds to its inputs' and weights' gradients; `backward` gets the result's gradient.
  /// With `needed` false (nothing below trains), or without recording, nothing is kept.
  func record(_ value: Tensor, needed: Bool, backward: @escaping (Tensor) -> Void) -> Variable {
    guard isRecording, needed else { return Variable(value: value, gradient: nil) }
    let gradient = Gradient()
    steps.append { if let arrived = gradient.take() { backward(arrived) } }
    return Variable(value: value, gradient: gradient)
  }

  /// Runs the recorded steps in reverse, once, each released when it is done.
  package func backward(from output: Variable, gradient: Tensor) {
    precondition(gradient.shape == output.value.shape, "gradient \(gradient.shape) for \(output.value.shape)")
    output.gradient?.add(gradient, on: engine)
    while let step = steps.popLast() { step() }
  }
}
