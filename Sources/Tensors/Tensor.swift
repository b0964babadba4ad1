/// Dense arrays of numbers: shape, type of element, and the storage they share.

package enum DType: Sendable {
  case f32, i32
  /// The upper half of an f32.
  case bf16

  package var bytes: Int { self == .bf16 ? 2 : 4 }
}

/// A contiguous row-major array. Copies share storage; operations write into tensors they have just made.
package struct Tensor {
  package let shape: [Int]
  package let dtype: DType
  package private(set) var storage: Storage

  /// Contents undefined.
  fileprivate init(_ shape: [Int], _ dtype: DType, _ allocator: Allocator) {
    self.shape = shape
    self.dtype = dtype
    storage = allocator.allocate(bytes: shape.reduce(1, *) * dtype.bytes)
  }

  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
  /// Length of the last dimension; the others are rows.
  package var columns: Int { shape.last ?? 1 }
  package var rows: Int { shape.dropLast().reduce(1, *) }

  /// Elements of an f32 tensor, valid as long as the tensor lives.
  package var floats: UnsafeMutablePointer<Float> {
    precondition(dtype == .f32, "floats of a tensor of \(dtype)")
    return storage.base.assumingMemoryBound(to: Float.self)
  }

  /// Elements of an i32 tensor, valid as long as the tensor lives.
  package var ints: UnsafeMutablePointer<Int32> {
    precondition(dtype == .i32, "ints of a tensor of \(dtype)")
    return storage.base.assumingMemoryBound(to: Int32.self)
  }

  /// Elements of a bf16 tensor, valid as long as the tensor lives.
  var brains: UnsafeMutablePointer<UInt16> {
    precondition(dtype == .bf16, "bf16 of a tensor of \(dtype)")
    return storage.base.assumingMemoryBound(to: UInt16.self)
  }

  /// Elements of an f32 tensor, copied out.
  package var array: [Float] { Array(UnsafeBufferPointer(start: floats, count: count)) }

  package func fill(_ value: Float) { floats.update(repeating: value, count: count) }

  /// Overwrites the elements with another tensor's of the same count.
  package func update(from other: Tensor) {
    precondition(count == other.count, "update of \(shape) from \(other.shape)")
    floats.update(from: other.floats, count: count)
  }

  /// True if no other tensor shares the storage.
  mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&storage) }
}

extension Engine {
  /// A tensor whose contents are undefined.
  package func uninitialized(_ shape: [Int], _ dtype: DType = .f32) -> Tensor {
    Tensor(shape, dtype, allocator)
  }

  /// A matrix whose contents are undefined.
  func matrix(_ rows: Int, _ columns: Int) -> Tensor { uninitialized([rows, columns]) }

  /// A tensor of the integers.
  func tensor(_ values: [Int32]) -> Tensor {
    let tensor = uninitialized([values.count], .i32)
    for (index, value) in values.enumerated() { tensor.ints[index] = value }
    return tensor
  }

  package func zeros(_ shape: [Int]) -> Tensor {
    let tensor = uninitialized(shape)
    tensor.fill(0)
    return tensor
  }

  package func tensor(_ values: [Float], _ shape: [Int]) -> Tensor {
    let tensor = uninitialized(shape)
    precondition(values.count == tensor.count, "\(values.count) values for shape \(shape)")
    values.withUnsafeBufferPointer { tensor.floats.update(from: $0.baseAddress!, count: $0.count) }
    return tensor
  }

  package func copy(_ tensor: Tensor) -> Tensor {
    let copy = uninitialized(tensor.shape)
    copy.update(from: tensor)
    return copy
  }
}
