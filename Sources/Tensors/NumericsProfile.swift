/// What decides the bits of a numeric result on this machine; part of a numeric stage's key.
import COpenBLAS

package enum Precision: String, Sendable, CaseIterable {
  case fp32
}

package struct NumericsProfile: Hashable, Sendable, CustomStringConvertible {
  /// Raised when a change of the engine changes any result's bits.
  package static let revision = 1

  package let precision: Precision
  /// Class of the kernels in use: `portable`, `avx2` or `avx512`.
  package let instructions: String
  /// Version and build of OpenBLAS, e.g. `OpenBLAS 0.3.21 DYNAMIC_ARCH`.
  package let blas: String
  /// The processor core whose kernels OpenBLAS chose, e.g. `SkylakeX`, and how it is used where that is not as always.
  package let core: String

  package static func current(precision: Precision) -> NumericsProfile {
    NumericsProfile(
      precision: precision, instructions: Kernels.active.name,
      blas: String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(separator: " "),
      core: String(cString: openblas_get_corename()) + (PanelProduct.chosen == .strips ? ", strips" : ""))
  }

  package var description: String {
    "engine \(Self.revision), \(precision.rawValue), \(instructions), \(blas), \(core)"
  }
}
