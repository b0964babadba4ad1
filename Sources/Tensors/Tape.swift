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
    guard let target = takeAlone(on: engine) else {
      sum = gradient
      return
    }
    engine.add(gradient, to: target)
    sum = target
  }

  /// Adds a matrix that `write(target, accumulate)` computes: it overwrites a new target, or adds to the one there is.
  func add(_ rows: Int, _ columns: Int, on engine: Engine, _ write: (_ target: Tensor, _ accumulate: Bool) -> Void) {
    let current = takeAlone(on: engine)
    let target = current ?? engine.matrix(rows, columns)
    write(target, current != nil)
    sum = target
  }

  /// The sum so far, copied if other gradients share it.
  private func takeAlone(on engine: Engine) -> Tensor? {
    guard var target = take() else { return nil }
    if !target.isUnique() {
      let copy = engine.matrix(target.rows, target.columns)
      copy.update(from: target)
      target = copy
    }
    return target
  }
}

/// A tensor inside a forward pass. Without a gradient, nothing below it trains and nothing is recorded for it.
package struct Variable {
  package let value: Tensor
  package let gradient: Gradient?
  /// What operations keep of the value. Their backward steps hold this, never the variable.
  let kept: Kept

  package init(value: Tensor, gradient: Gradient?, kept: Kept = Kept()) {
    (self.value, self.gradient, self.kept) = (value, gradient, kept)
  }
}

/// Records operations while training; keeps nothing in inference. Operations are its extensions, one file each.
package final class Tape {
  package let engine: Engine
  /// What masks of dropout follow from, besides sequence, site and element; nil in inference, when nothing is dropped.
  let dropoutKey: UInt64?
  private var sites: UInt32 = 0
  private var steps: [() -> Void] = []

  package init(inferenceOn engine: Engine) {
    self.engine = engine
    dropoutKey = nil
  }

  /// Records. Masks of dropout follow from seed and step, so that a repeated forward pass meets the same ones.
  package init(on engine: Engine, seed: UInt64, step: Int) {
    self.engine = engine
    dropoutKey = philox(seed: seed, counter: UInt64(step))
  }

  package var isRecording: Bool { dropoutKey != nil }

  /// A result whose backward step adds to its inputs' and weights' gradients; `backward` gets the result's gradient.
  /// With `needed` false (nothing below trains), or without recording, nothing is kept. `operation`, `flops` and `bytes`
  /// are what a profile calls and counts of the backward step, `kept` what it keeps of the result itself.
  func record(
    _ value: Tensor, needed: Bool, as operation: ProfiledOperation, flops: Int = 0, bytes: Int = 0,
    kept: Kept = Kept(), backward: @escaping (Tensor) -> Void
  ) -> Variable {
    guard isRecording, needed else { return Variable(value: value, gradient: nil) }
    let gradient = Gradient()
    steps.append {
      guard let arrived = gradient.take() else { return }
      Profile.measure(operation, flops: flops, bytes: bytes) { backward(arrived) }
    }
    return Variable(value: value, gradient: gradient, kept: kept)
  }

  /// The first of `count` places of dropout that no other operation of this pass has; places are numbered in order.
  func nextSites(_ count: Int) -> UInt32 {
    defer { sites += UInt32(count) }
    return sites
  }

  /// Runs the recorded steps in reverse, once, each released when it is done.
  package func backward(from output: Variable, gradient: Tensor) {
    precondition(gradient.shape == output.value.shape, "gradient \(gradient.shape) for \(output.value.shape)")
    output.gradient?.add(gradient, on: engine)
    while let step = steps.popLast() { step() }
  }
}
