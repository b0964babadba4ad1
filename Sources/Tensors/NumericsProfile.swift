/// What decides the bits of a numeric result on this machine; part of a numeric stage's key.

/// Of the products with models' weights; sums, norms, softmax, losses and the optimizer are fp32 always.
package enum Precision: String, Sendable, CaseIterable {
  case fp32
  /// Both sides of a product rounded to bfloat16, summed in fp32.
  case bf16
  /// Both sides of a product quantized to 8 bits, block by block along the depth; of models that only run.
  case int8

  /// bf16 where this machine has instructions for it, else fp32.
  package static var automatic: Precision {
    ["amx", "avx512bf16"].contains(Kernels.active.name) ? .bf16 : .fp32
  }

  /// What a file says: a precision, or `auto`. Nil if it is neither.
  package init?(named name: String) {
    guard name == "auto" else {
      self.init(rawValue: name)
      return
    }
    self = .automatic
  }
}

package struct NumericsProfile: Hashable, Sendable, CustomStringConvertible {
  /// Raised when a change of the engine changes any result's bits.
  package static let revision = 4

  package let precision: Precision
  /// What decides the bits in this precision: one of `Kernels.names`, or OpenBLAS's version and core with one.
  package let instructions: String

  package static func current(precision: Precision) -> NumericsProfile {
    NumericsProfile(precision: precision, instructions: Kernels.active.instructions(precision))
  }

  package var description: String { "engine \(Self.revision), \(precision.rawValue), \(instructions)" }
}
