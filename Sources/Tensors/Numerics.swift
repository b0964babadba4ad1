/// What decides the bits of a numeric result on this machine; part of a numeric stage's key.

/// How products are computed; their sums, norms, softmax, losses and the optimizer are fp32 always.
package enum Precision: String, Sendable, CaseIterable {
  case fp32
  /// Both sides rounded to bfloat16: of products with weights and adapters; of attention's and of gradients of weights
  /// where the class of instructions multiplies pairs of bf16.
  case bf16
  /// Both sides of products with weights quantized to 8 bits, block by block along the depth, attention as in bf16; of
  /// models that only run.
  case int8

  /// The type in which activations wait for the backward pass.
  package var kept: DType { self == .bf16 ? .bf16 : .f32 }

  /// Whether attention reads bf16 numbers, so that its products may round, too.
  package var roundsAttention: Bool { self != .fp32 }
}

package struct NumericsProfile: Hashable, Sendable, CustomStringConvertible {
  /// Raised when a change of the engine changes the bits of any result in a precision.
  package static func revision(_ precision: Precision) -> Int {
    switch precision {
    case .fp32: 5
    case .bf16: 7
    case .int8: 6
    }
  }

  package let precision: Precision
  /// The class of kernels that decides the bits in this precision, or OpenBLAS's version and core with one.
  package let instructions: String

  package init(_ precision: Precision, by instructions: String) {
    (self.precision, self.instructions) = (precision, instructions)
  }

  package var description: String { "engine \(Self.revision(precision)), \(precision.rawValue), \(instructions)" }
}
