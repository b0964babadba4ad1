/// Dense arrays of numbers on a device, and such arrays outside of one.
import Foundation

package enum DType: Sendable {
  case f32
  /// The upper half of an f32.
  case bf16
  /// IEEE 754's binary16.
  case f16
  case i32, u8

  package var bytes: Int {
    switch self {
    case .f32, .i32: 4
    case .bf16, .f16: 2
    case .u8: 1
    }
  }
}

/// A handle of a contiguous row-major array. Copies share memory; operations write into tensors they have just made.
/// It has no pointer: only the device that made it can open it.
package struct Tensor: Sendable {
  package let shape: [Int]
  package let dtype: DType
  package private(set) var memory: Memory

  /// Contents undefined.
  package init(_ shape: [Int], _ dtype: DType, on device: any Device) {
    self.shape = shape
    self.dtype = dtype
    memory = device.allocate(bytes: shape.reduce(1, *) * dtype.bytes)
  }

  package var device: any Device { memory.device }
  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
  /// Length of the last dimension; the others are rows.
  package var columns: Int { shape.last ?? 1 }
  package var rows: Int { shape.dropLast().reduce(1, *) }

  /// True if no other tensor shares the memory.
  mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&memory) }
}

/// An array that lies outside of devices: rows of a mapped checkpoint file, or numbers of the host.
package struct StoredTensor: Sendable {
  package let shape: [Int]
  package let dtype: DType
  /// The elements, row-major and little-endian, at any address.
  package let bytes: Data
  /// Whether they lie in a mapped file, from where they can be had again.
  package let isMapped: Bool

  package init(_ shape: [Int], _ dtype: DType, bytes: Data, isMapped: Bool = false) {
    (self.shape, self.dtype, self.bytes, self.isMapped) = (shape, dtype, bytes, isMapped)
    precondition(bytes.count == shape.reduce(1, *) * dtype.bytes, "\(bytes.count) bytes for \(shape) of \(dtype)")
  }

  package init(_ values: [Float], _ shape: [Int]) {
    self.init(shape, .f32, bytes: values.withUnsafeBytes { Data($0) })
  }

  init(_ values: [Int32]) { self.init([values.count], .i32, bytes: values.withUnsafeBytes { Data($0) }) }
}

// MARK: - Between the host and a device

extension Tensor {
  /// Elements of an f32 tensor, read by the host.
  package var array: [Float] { device.read(self).asFloats }

  /// Elements as they lie, little-endian. They may change with the tensor.
  package var bytes: Data { device.read(self) }

  /// The same row by row.
  package var rowBytes: [Data] {
    let (all, size) = (bytes, columns * dtype.bytes)
    return (0..<rows).map { all[all.startIndex + $0 * size..<all.startIndex + ($0 + 1) * size] }
  }

  /// A copy of the first elements of each row: [rows, count], f32.
  package func firstColumns(_ count: Int) -> Tensor {
    let (all, columns) = (array, columns)
    return device.tensor((0..<rows).flatMap { all[$0 * columns..<$0 * columns + count] }, [rows, count])
  }

  package func fill(_ value: Float) { device.fill(self, value) }

  /// Overwrites the elements with another tensor's of the same count and type.
  package func update(from other: Tensor) {
    precondition(count == other.count && dtype == other.dtype, "update of \(shape) from \(other.shape)")
    device.copy(other, to: self)
  }

  /// Overwrites the elements with those of an array, widened to the tensor's type.
  package func update(from stored: StoredTensor) {
    precondition(shape == stored.shape, "update of \(shape) from \(stored.shape)")
    device.write(stored, to: self)
  }

  package func copy() -> Tensor {
    let copy = Tensor(shape, dtype, on: device)
    copy.update(from: self)
    return copy
  }

  /// Whether every element is a finite number.
  package var isFinite: Bool { device.isFinite(self) }
}

extension Data {
  fileprivate var asFloats: [Float] {
    withUnsafeBytes { bytes in
      [Float](unsafeUninitializedCapacity: bytes.count / 4) { floats, count in
        UnsafeMutableRawBufferPointer(floats).copyMemory(from: bytes)
        count = bytes.count / 4
      }
    }
  }
}

extension Device {
  /// A tensor whose contents are undefined.
  package func uninitialized(_ shape: [Int], _ dtype: DType = .f32) -> Tensor { Tensor(shape, dtype, on: self) }

  package func zeros(_ shape: [Int]) -> Tensor {
    let tensor = uninitialized(shape)
    tensor.fill(0)
    return tensor
  }

  package func tensor(_ values: [Float], _ shape: [Int]) -> Tensor { tensor(StoredTensor(values, shape)) }

  func tensor(_ values: [Int32]) -> Tensor { tensor(StoredTensor(values), as: .i32) }

  /// A copy of an array, in its own type unless another is asked for.
  package func tensor(_ stored: StoredTensor, as dtype: DType? = nil) -> Tensor {
    let tensor = uninitialized(stored.shape, dtype ?? stored.dtype)
    tensor.update(from: stored)
    return tensor
  }
}
