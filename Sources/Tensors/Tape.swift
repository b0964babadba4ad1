/// What a forward pass leaves behind for the backward one: coarse operations, each with its hand-written gradient.

/// The gradient of one tensor, until the operation that made the tensor takes it.
package final class Gradient {
  private var sum: Tensor?

  package init() {}

  /// Hands the gradient over; nil if nothing reached the tensor.
  package func take() -> Tensor? {
    defer { sum = nil }
    return sum
  }

  /// Adds a gradient that several tensors may share; a later addition to one of them copies first.
  package func add(_ gradient: Tensor) {
    guard let target = takeAlone() else {
      sum = gradient
      return
    }
    target.device.add(gradient, to: target)
    sum = target
  }

  /// Adds a matrix that `write(target, accumulate)` computes: it overwrites a new target, or adds to the one there is.
  func add(
    _ rows: Int, _ columns: Int, on device: any Device, _ write: (_ target: Tensor, _ accumulate: Bool) -> Void
  ) {
    let current = takeAlone()
    let target = current ?? device.uninitialized([rows, columns])
    write(target, current != nil)
    sum = target
  }

  /// The sum so far, copied if other gradients share it.
  private func takeAlone() -> Tensor? {
    guard var target = take() else { return nil }
    return target.isUnique() ? target : target.copy()
  }
}

/// A tensor inside a forward pass. Without a gradient, nothing below it trains and nothing is recorded for it.
package struct Variable {
  package let value: Tensor
  package let gradient: Gradient?
  /// What operations keep of the value. Their backward steps hold this, never the variable.
  let kept: Kept
  /// Whether every element is a bf16.
  let isRounded: Bool

  package init(value: Tensor, gradient: Gradient?, kept: Kept = Kept(), isRounded: Bool = false) {
    (self.value, self.gradient, self.kept, self.isRounded) = (value, gradient, kept, isRounded)
  }
}

/// Runs a forward pass on a device, and perhaps its backward one. Operations are its extensions, one file each. What is
/// rounded follows from the device's precision alone, never from what is recorded.
package final class Tape {
  /// What masks of dropout follow from, besides sequence, site and element.
  package struct Masks: Sendable {
    package var seed: UInt64
    package var step: Int

    package init(seed: UInt64, step: Int) { (self.seed, self.step) = (seed, step) }
  }

  package let device: any Device
  package let records: Bool
  /// Whether adapters take part, or the model is what it was without them.
  package let adapters: Bool
  /// Nil where nothing is dropped.
  package let masks: Masks?
  let dropoutKey: UInt64?
  private var sites: UInt32 = 0
  private var steps: [() -> Void] = []

  /// - Parameters:
  ///   - records: keeps what a backward pass needs.
  ///   - masks: drops elements, the same ones in a repeated pass; absent: none.
  package init(on device: any Device, records: Bool = false, masks: Masks? = nil, adapters: Bool = true) {
    (self.device, self.records, self.masks, self.adapters) = (device, records, masks, adapters)
    dropoutKey = masks.map { Philox.bits(seed: $0.seed, counter: UInt64($0.step)) }
  }

  /// A result whose backward step adds to its inputs' and weights' gradients; `backward` gets the result's gradient.
  /// With `needed` false (nothing below trains), or without recording, nothing is kept. `operation`, `flops` and `bytes`
  /// are what a profile calls and counts of the backward step, `kept` what it keeps of the result itself.
  package func record(
    _ value: Tensor, needed: Bool, as operation: ProfiledOperation, flops: Int = 0, bytes: Int = 0,
    kept: Kept = Kept(), isRounded: Bool = false, backward: @escaping (Tensor) -> Void
  ) -> Variable {
    guard records, needed else { return Variable(value: value, gradient: nil, isRounded: isRounded) }
    let gradient = Gradient()
    steps.append {
      guard let arrived = gradient.take() else { return }
      Profile.measure(operation, flops: flops, bytes: bytes) { backward(arrived) }
    }
    return Variable(value: value, gradient: gradient, kept: kept, isRounded: isRounded)
  }

  /// The first of `count` places of dropout that no other operation of this pass has; places are numbered in order.
  func nextSites(_ count: Int) -> UInt32 {
    defer { sites += UInt32(count) }
    return sites
  }

  /// Runs the recorded steps in reverse, once, each released when it is done.
  package func backward(from output: Variable, gradient: Tensor) {
    precondition(gradient.shape == output.value.shape, "gradient \(gradient.shape) for \(output.value.shape)")
    output.gradient?.add(gradient)
    while let step = steps.popLast() { step() }
  }
}
