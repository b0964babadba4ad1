/// The table of C kernels in use.
import CKernels

package struct Kernels: @unchecked Sendable {
  // `@unchecked`: the table is a constant of the C library.
  let table: UnsafePointer<retort_kernels>

  package var name: String { String(cString: table.pointee.name) }

  /// `portable`, `avx2`, `avx512` or `reference`; nil if this machine has not the instructions.
  package static func named(_ name: String) -> Kernels? { retort_kernels_named(name).map(Kernels.init) }

  /// The best class of this machine, or the one that the environment variable RETORT_KERNELS names.
  package static let active: Kernels = {
    guard let table = retort_kernels_active() else {
      fatalError("RETORT_KERNELS names no class of this machine; classes: portable, avx2, avx512")
    }
    return Kernels(table: table)
  }()
}
