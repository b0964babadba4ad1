/// The table of C kernels in use.
import CKernels

package struct Kernels: @unchecked Sendable {
  // `@unchecked`: the table is a constant of the C library.
  let table: UnsafePointer<retort_kernels>

  package var name: String { String(cString: table.pointee.name) }

  /// `portable`, `avx2`, `avx512` or `reference`; nil if this machine has not the instructions.
  package static func named(_ name: String) -> Kernels? { retort_kernels_named(name).map(Kernels.init) }

  /// The best class of this machine, or the one that the environment variable RETORT_KERNELS names. Throws
  /// `UnavailableKernels` if this machine has not that one: commands ask first, so that nobody meets it later.
  package static func chosen() throws(UnavailableKernels) -> Kernels {
    guard let table = retort_kernels_active() else { throw UnavailableKernels() }
    return Kernels(table: table)
  }

  /// The class chosen, once for the process.
  package static let active: Kernels = {
    do { return try chosen() } catch { fatalError("\(error)") }
  }()
}

package struct UnavailableKernels: Error, CustomStringConvertible {
  package var description: String {
    let available = ["portable", "avx2", "avx512"].filter { Kernels.named($0) != nil }.joined(separator: ", ")
    return "RETORT_KERNELS names a class of instructions that this machine has not; it has \(available)"
  }
}
