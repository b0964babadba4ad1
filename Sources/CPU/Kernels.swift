/// The table of C kernels of one class of instructions.
import CKernels
import Tensors

package struct Kernels: @unchecked Sendable {
  // `@unchecked`: the table is a constant of the C library.
  let table: UnsafePointer<retort_kernels>

  package var name: String { String(cString: table.pointee.name) }

  /// Products in one precision.
  func multiplier(_ precision: Precision) -> retort_multiplier {
    switch precision {
    case .fp32: table.pointee.fp32
    case .bf16: table.pointee.bf16
    case .int8: table.pointee.int8
    }
  }

  /// What decides the bits in a precision.
  package func profile(_ precision: Precision) -> NumericsProfile {
    NumericsProfile(precision, by: String(cString: multiplier(precision).name))
  }

  /// bf16 where the class has instructions for it, else fp32.
  package var automaticPrecision: Precision { ["amx", "avx512bf16"].contains(name) ? .bf16 : .fp32 }

  /// The classes, the best last.
  package static let names = ["portable", "openblas", "avx2", "avx512", "avx512bf16", "amx"]

  package static let openBLASPackage = "libopenblas-dev"

  /// One of `names`, or `reference`; nil if this machine lacks the instructions, or OpenBLAS.
  package static func named(_ name: String) -> Kernels? { retort_kernels_named(name).map(Kernels.init) }

  /// The best class of this machine, or the one that the environment variable RETORT_KERNELS names. Throws
  /// `UnavailableKernels` if this machine lacks that one: commands ask first, so that nobody meets it later.
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
    let available = Kernels.names.filter { Kernels.named($0) != nil }.joined(separator: ", ")
    let remedy = Kernels.named("openblas") == nil ? "; openblas needs apt-get install \(Kernels.openBLASPackage)" : ""
    return "RETORT_KERNELS names a class of instructions that this machine has not; it has \(available)" + remedy
  }
}
