/// What decides the bits of a numeric result on this machine; part of a numeric stage's key.

/// How products with models' weights are computed; sums, norms, softmax, losses and the optimizer are fp32 always.
package enum Precision: String, Sendable, CaseIterable {
  case fp32
  /// Both sides of a product rounded to bfloat16, summed in fp32.
  case bf16
  /// Both sides of a product quantized to 8 bits, block by block along the depth; of models that only run.
  case int8

  /// The type in which activations wait for the backward pass.
  package var kept: DType { self == .bf16 ? .bf16 : .f32 }
}

package struct NumericsProfile: Hashable, Sendable, CustomStringConvertible {
  /// Raised when a change of the engine changes the bits of any result in a precision.
  package static func revision(_ precision: Precision) -> Int { precision == .bf16 ? 6 : 4 }

  package let precision: Precision
  /// The class of kernels that decides the bits in this precision, or OpenBLAS's version and core with one.
  package let instructions: String

  package init(_ precision: Precision, by instructions: String) {
    (self.precision, self.instructions) = (precision, instructions)
  }

  package var description: String { "engine \(Self.revision(precision)), \(precision.rawValue), \(instructions)" }
}
