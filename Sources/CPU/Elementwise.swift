/// Passes over whole tensors, in blocks that all threads share, and the ways in and out.
import CKernels
import Foundation
import Tensors

extension CPU {
  private static let block = 1 << 15

  package func write(_ stored: StoredTensor, to x: Tensor) {
    alone {
      stored.bytes.withUnsafeBytes { bytes in
        guard let source = bytes.baseAddress else { return }
        if stored.dtype == x.dtype {
          x.elements(UInt8.self).update(from: source.assumingMemoryBound(to: UInt8.self), count: bytes.count)
        } else {
          table.widen(source, stored.dtype.stored, x.floats, x.count)
        }
      }
      stored.releasePages()
    }
  }

  package func read(_ x: Tensor) -> Data {
    guard computes, x.count > 0 else { return Data(count: x.count * x.dtype.bytes) }
    return Data(
      bytesNoCopy: x.elements(UInt8.self), count: x.count * x.dtype.bytes,
      deallocator: .custom { _, _ in withExtendedLifetime(x) {} })
  }

  package func copy(_ x: Tensor, to: Tensor) {
    alone { to.elements(UInt8.self).update(from: x.elements(UInt8.self), count: x.count * x.dtype.bytes) }
  }

  package func fill(_ x: Tensor, _ value: Float) { alone { x.floats.update(repeating: value, count: x.count) } }

  package func isFinite(_ x: Tensor) -> Bool {
    guard computes else { return true }
    return UnsafeBufferPointer(start: x.floats, count: x.count).allSatisfy(\.isFinite)
  }

  package func converted(_ x: Tensor, to dtype: DType) -> Tensor {
    let result = uninitialized(x.shape, dtype)
    blocks(of: x.count, size: Self.block) { start, count in
      switch (x.dtype, dtype) {
      case (.f32, .bf16): table.narrow(x.floats + start, result.halves + start, count)
      case (_, .f32): table.widen(x.halves + start, x.dtype.stored, result.floats + start, count)
      default: preconditionFailure("a tensor of \(dtype) out of \(x.dtype)")
      }
    }
    return result
  }

  package func add(_ x: Tensor, to: Tensor) {
    precondition(x.count == to.count, "add \(x.shape) to \(to.shape)")
    blocks(of: x.count, size: Self.block) { start, count in table.add(x.floats + start, to.floats + start, count) }
  }

  package func copyRows(of x: Tensor, to: Tensor, at places: [Int]) {
    alone {
      for (row, place) in places.enumerated() {
        (to.floats + place * x.columns).update(from: x.floats + row * x.columns, count: x.columns)
      }
    }
  }

  package func copyRows(_ rows: Range<Int>, of x: Tensor, to: Tensor, at place: Int) {
    precondition(rows.upperBound <= x.rows && place + rows.count <= to.rows && x.columns == to.columns, "rows")
    alone {
      (to.floats + place * x.columns).update(
        from: x.floats + rows.lowerBound * x.columns, count: rows.count * x.columns)
    }
  }

  package func normalizeRows(_ x: Tensor, floor: Double) {
    parallel(x.rows) { row, _ in
      let values = UnsafeMutableBufferPointer(start: x.floats + row * x.columns, count: x.columns)
      let norm = max(values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot(), floor)
      for index in values.indices { values[index] = Float(Double(values[index]) / norm) }
    }
  }

  /// Calls `body(start, count)` for consecutive blocks of `size`, the last one shorter.
  func blocks(of total: Int, size: Int, _ body: (_ start: Int, _ count: Int) -> Void) {
    blocks(of: total, size: size) { start, count, _ in body(start, count) }
  }

  func blocks(of total: Int, size: Int, _ body: (_ start: Int, _ count: Int, _ worker: Int) -> Void) {
    parallel((total + size - 1) / size) { piece, worker in
      body(piece * size, min(size, total - piece * size), worker)
    }
  }
}

extension DType {
  /// The kernels' name of a type of floats.
  var stored: retort_type {
    switch self {
    case .f32: RETORT_F32
    case .bf16: RETORT_BF16
    case .f16: RETORT_F16
    case .i32, .u8: preconditionFailure("\(self) is no type of floats")
    }
  }
}

extension StoredTensor {
  /// Lets go of the memory of a mapped file's pages; whoever looks at them again has them again.
  func releasePages() {
    guard isMapped else { return }
    bytes.withUnsafeBytes { bytes in
      let (page, start) = (Int(sysconf(Int32(_SC_PAGESIZE))), Int(bitPattern: bytes.baseAddress))
      let (first, end) = ((start + page - 1) / page * page, (start + bytes.count) / page * page)
      if first < end { madvise(UnsafeMutableRawPointer(bitPattern: first), end - first, MADV_DONTNEED) }
    }
  }
}
