/// What every loss gives: its value, its parts by name, and the gradient for the model's outputs.
import Foundation

/// Losses are plain functions of a batch's outputs. They compute in double and round once, when the gradient enters the
/// model: a batch has few outputs, and finite differences then check a loss to many digits.
package struct Loss: Sendable {
  /// Mean over the batch's records.
  package var value: Double
  /// The unweighted terms of the value, in the order of its formula, and what else a step is to report; empty where it
  /// has one only.
  package var parts: [Part]
  /// dvalue/doutput, in the outputs' layout.
  package var gradient: [Double]
  /// dvalue/d of the numbers that the task trains besides the model.
  package var parameterGradients: [Double] = []

  package struct Part: Sendable, Hashable {
    package var name: String
    package var value: Double
  }
}

/// Numerically stable ln(1 + eˣ).
func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

/// Natural logarithm of Σ eˣ, without overflow.
package func logSumExp(_ values: some Sequence<Double>) -> Double {
  let peak = values.reduce(-Double.infinity, max)
  guard peak.isFinite else { return peak }
  return peak + log(values.reduce(0) { $0 + exp($1 - peak) })
}
