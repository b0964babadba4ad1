/// The device that computes here: threads, memory, and one class of kernels.
import CKernels
import Foundation
import Synchronization
import Tensors

package final class CPU: Device {
  package let numerics: NumericsProfile
  package let meter = Meter()
  /// Threads that compute, the calling one included.
  package let threads: Int
  let kernels: Kernels
  /// Where its memory lies; in a rehearsal nowhere.
  private let allocator: Allocator?
  /// Bytes that a rehearsal has lent out: its addresses.
  private let imagined = Atomic<UInt>(64)
  private let pool: ComputePool?
  /// Layouts that a rehearsal has made of weights of the device that it rehearses for.
  let rehearsed = Mutex<[RehearsedLayout: PackedWeight]>([:])

  package convenience init(threads: Int, precision: Precision = .fp32, kernels: Kernels = .active) {
    let threads = max(1, threads)
    self.init(threads, precision, kernels, Allocator(), ComputePool(width: threads))
  }

  private init(
    _ threads: Int, _ precision: Precision, _ kernels: Kernels, _ allocator: Allocator?, _ pool: ComputePool?
  ) {
    (self.threads, self.kernels, self.allocator, self.pool) = (threads, kernels, allocator, pool)
    numerics = kernels.profile(precision)
  }

  /// The functions of its class.
  var table: retort_kernels { kernels.table.pointee }

  // MARK: - Computing

  /// False in a rehearsal.
  var computes: Bool { pool != nil }

  /// Calls `body(piece, worker)` once for every piece, on all threads, and returns when all are done.
  /// Pieces must write disjoint memory, and the bits of an element must not depend on the piece that it is in: then no
  /// result depends on how many workers there are, and which took which piece.
  func parallel(_ pieces: Int, _ body: (_ piece: Int, _ worker: Int) -> Void) { pool?.run(pieces, body) }

  /// Calls `body` on the calling thread. Whatever computes does so in here or in `parallel`.
  func alone(_ body: () -> Void) { if computes { body() } }

  package func onHost(_ pieces: Int, _ body: (_ piece: Int) -> Void) { parallel(pieces) { piece, _ in body(piece) } }

  // MARK: - Memory

  package func allocate(bytes: Int) -> Memory {
    let bytes = max(64, (bytes + 63) & ~63)
    let address =
      allocator?.allocate(bytes) ?? imagined.add(UInt(bytes), ordering: .relaxed).oldValue
    return Memory(of: self, at: address, bytes: bytes)
  }

  package func free(_ address: UInt, bytes: Int) { allocator?.free(address, bytes) }

  /// Address space mapped so far; constant in a steady step.
  package var mappedBytes: Int { allocator?.mappedBytes ?? 0 }

  /// What the process has in memory besides: its program, texts, a tokenizer, free blocks that tensors have lain in.
  package var bytesBeside: Int {
    get throws {
      #if os(Linux)
        // Resident pages are the second number.
        let numbers = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return max(0, (Int(numbers[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) - meter.inUse)
      #else
        return 0
      #endif
    }
  }

  package func rehearse(_ body: (any Device) throws -> Void) rethrows -> Int {
    let double = CPU(threads, numerics.precision, kernels, nil, nil)
    // The layouts hold the device that holds them.
    defer { double.rehearsed.withLock { $0 = [:] } }
    try body(double)
    return double.meter.peak
  }
}

extension Tensor {
  private var address: UnsafeMutableRawPointer {
    precondition(type(of: memory.device) == CPU.self, "a tensor of another device")
    return UnsafeMutableRawPointer(bitPattern: memory.address)!
  }

  /// The elements, valid as long as the tensor lives. Of a rehearsal's tensor they may not be touched.
  func elements<Element: BitwiseCopyable>(_: Element.Type) -> UnsafeMutablePointer<Element> {
    address.assumingMemoryBound(to: Element.self)
  }

  var floats: UnsafeMutablePointer<Float> {
    precondition(dtype == .f32, "floats of a tensor of \(dtype)")
    return elements(Float.self)
  }

  var ints: UnsafeMutablePointer<Int32> {
    precondition(dtype == .i32, "ints of a tensor of \(dtype)")
    return elements(Int32.self)
  }

  /// The elements where they may be floats or rounded ones, from element `index` on.
  func rounded(from index: Int = 0) -> retort_rounded {
    retort_from(retort_rounded(values: elements(UInt8.self), type: dtype.stored), index)
  }

  /// The elements of a tensor of 16-bit floats.
  var halves: UnsafeMutablePointer<UInt16> {
    precondition(dtype.bytes == 2, "halves of a tensor of \(dtype)")
    return elements(UInt16.self)
  }
}

extension CPU {
  /// A matrix whose contents are undefined.
  func matrix(_ rows: Int, _ columns: Int) -> Tensor { uninitialized([rows, columns]) }

  /// Memory for each thread, `floats` long.
  func scratch(_ floats: Int) -> Scratch { Scratch(floats: floats, all: uninitialized([threads, floats])) }
}

struct Scratch {
  let floats: Int
  let all: Tensor

  func of(_ worker: Int) -> UnsafeMutablePointer<Float> { all.floats + worker * floats }
}
