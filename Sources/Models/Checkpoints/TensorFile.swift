/// What a checkpoint's files have in common, whatever their format: named tensors, of which floats are read.
import Foundation
import Tensors

protocol TensorFile: Sendable {
  var file: URL { get }
  var names: [String] { get }
  func contains(_ name: String) -> Bool
  func shape(of name: String) throws -> [Int]
  func type(of name: String) throws -> ElementType
  /// The tensor `name` in its own type where it is F32, F16 or BF16, and rounded to F32 where it is F64.
  func stored(_ name: String) throws -> StoredTensor
  /// The tensor `name` whatever its type, its elements one after another.
  func raw(_ name: String) throws -> RawTensor
}

extension ElementType {
  /// The type of the array that `stored` makes; nil if it reads none of this type.
  var dtype: DType? {
    switch self {
    case .f32, .f64: .f32
    case .f16: .f16
    case .bf16: .bf16
    default: nil
    }
  }

  /// An array of elements that lie one after another. Throws if they are no floats.
  /// - Parameter isMapped: whether the bytes are those of a mapped file.
  func stored(
    _ name: String, _ shape: [Int], _ bytes: Data, isMapped: Bool, in file: URL
  ) throws -> StoredTensor {
    guard let dtype else { throw CheckpointError.noFloats(file, name, self) }
    return self == .f64
      ? StoredTensor(shape, dtype, bytes: Self.rounded(bytes))
      : StoredTensor(shape, dtype, bytes: bytes, isMapped: isMapped)
  }

  private static func rounded(_ doubles: Data) -> Data {
    doubles.withUnsafeBytes { source in
      let floats = (0..<source.count / 8).map {
        Float(source.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self))
      }
      return floats.withUnsafeBytes { Data($0) }
    }
  }
}

extension CheckpointError {
  static func noFloats(_ file: URL, _ name: String, _ type: ElementType) -> CheckpointError {
    CheckpointError(file, "tensor \"\(name)\"", found: type.rawValue, expected: "F64, F32, F16 or BF16")
  }
}
