/// Where two safetensors files first differ: the tensor, the element, and both its values.
import Foundation

package struct TensorDifference: Codable, Sendable, Hashable {
  package var tensor: String
  /// Of the element, one number a dimension; absent where the tensors are no two of one shape and type.
  package var index: [Int]?
  /// Values; where there is no index: shapes and types, or `absent`.
  package var left: String
  package var right: String
  /// Elements of this tensor that differ.
  package var differing: Int?
  /// Elements it has.
  package var count: Int?
  /// Tensors that differ, this one included.
  package var tensors: Int

  /// Compares in the order in which the left file has its tensors; those that only the right one has come last.
  /// `nil` if all are the same to the bit, whatever else is in the files.
  package init?(_ left: SafeTensors, _ right: SafeTensors) throws {
    var first: TensorDifference?
    var tensors = 0
    for name in left.names + right.names.filter({ !left.contains($0) }) {
      guard let found = try Self.difference(name, left, right) else { continue }
      tensors += 1
      first = first ?? found
    }
    guard var first else { return nil }
    first.tensors = tensors
    self = first
  }

  private init(tensor: String, left: String, right: String) {
    self.tensor = tensor
    self.left = left
    self.right = right
    tensors = 1
  }

  private static func difference(
    _ name: String, _ left: SafeTensors, _ right: SafeTensors
  ) throws -> TensorDifference? {
    func form(_ file: SafeTensors) throws -> String {
      file.contains(name) ? "\(try file.type(of: name).rawValue) \(try file.shape(of: name))" : "absent"
    }
    let forms = (try form(left), try form(right))
    guard forms.0 == forms.1 else { return TensorDifference(tensor: name, left: forms.0, right: forms.1) }
    return try left.withBytes(of: name) { type, leftBytes in
      try right.withBytes(of: name) { _, rightBytes in
        let size = max(1, type.bits / 8)
        guard let start = leftBytes.baseAddress, let other = rightBytes.baseAddress,
          memcmp(start, other, leftBytes.count) != 0
        else { return nil }
        let elements = leftBytes.count / size
        func differs(_ element: Int) -> Bool { memcmp(start + element * size, other + element * size, size) != 0 }
        guard let element = (0..<elements).first(where: differs) else { return nil }
        var difference = TensorDifference(
          tensor: name, left: type.text(leftBytes, at: element), right: type.text(rightBytes, at: element))
        difference.index = indices(of: element, in: try left.shape(of: name))
        difference.differing = (element..<elements).count(where: differs)
        difference.count = elements
        return difference
      }
    }
  }

  /// Row-major.
  private static func indices(of element: Int, in shape: [Int]) -> [Int] {
    var rest = element
    var indices: [Int] = []
    for size in shape.reversed() {
      indices.append(rest % size)
      rest /= size
    }
    return indices.reversed()
  }
}

extension ElementType {
  /// One element, shortest text that reads back as the same value; types that Retort cannot compute with as their bytes.
  fileprivate func text(_ bytes: UnsafeRawBufferPointer, at element: Int) -> String {
    let size = max(1, bits / 8)
    func load<Value: BitwiseCopyable>(_: Value.Type) -> Value {
      bytes.loadUnaligned(fromByteOffset: element * size, as: Value.self)
    }
    switch self {
    case .f32: return "\(load(Float.self))"
    case .f64: return "\(load(Double.self))"
    case .f16: return "\(Float(Float16(bitPattern: load(UInt16.self))))"
    case .bf16: return "\(Float(bitPattern: UInt32(load(UInt16.self)) << 16))"
    case .i8: return "\(load(Int8.self))"
    case .i16: return "\(load(Int16.self))"
    case .i32: return "\(load(Int32.self))"
    case .i64: return "\(load(Int64.self))"
    case .u8, .bool: return "\(load(UInt8.self))"
    case .u16: return "\(load(UInt16.self))"
    case .u32: return "\(load(UInt32.self))"
    case .u64: return "\(load(UInt64.self))"
    default:
      return bytes[element * size..<(element + 1) * size].map { String($0, radix: 16) }.joined(separator: " ")
    }
  }
}
