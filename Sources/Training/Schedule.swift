/// The learning rate of each step.
import Foundation

/// Linear warm-up from 0, then constant, or down to 0 in a line or half a cosine: transformers' schedules.
package struct Schedule: Sendable {
  package enum Shape: String, Sendable, CaseIterable { case linear, cosine, constant }

  /// How long the rate rises.
  package enum Warmup: Sendable {
    case steps(Int)
    /// Of all steps, rounded up.
    case ratio(Double)
  }

  private let shape: Shape
  private let peak: Double
  private let warmup: Int
  private let steps: Int

  /// - Parameters:
  ///   - peak: the highest rate.
  ///   - steps: of the whole training.
  package init(_ shape: Shape, peak: Double, warmup: Warmup, steps: Int) {
    self.shape = shape
    self.peak = peak
    self.steps = steps
    switch warmup {
    case .steps(let count): self.warmup = count
    case .ratio(let ratio): self.warmup = Int((ratio * Double(steps)).rounded(.up))
    }
  }

  /// - Parameter step: counted from 0.
  package func rate(at step: Int) -> Double {
    guard step >= warmup else { return peak * Double(step) / Double(warmup) }
    let progress = min(1, Double(step - warmup) / Double(max(1, steps - warmup)))
    return switch shape {
    case .constant: peak
    case .linear: peak * (1 - progress)
    case .cosine: peak * (1 + cos(.pi * progress)) / 2
    }
  }
}
