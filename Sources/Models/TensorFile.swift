/// What a checkpoint's files have in common, whatever their format: named tensors, of which floats are read.
import Foundation
import Tensors

protocol TensorFile: Sendable {
  var file: URL { get }
  var names: [String] { get }
  func contains(_ name: String) -> Bool
  func shape(of name: String) throws -> [Int]
  /// The elements of the tensor `name`, row-major, written to `destination`, which has room for all of them.
  func readFloats(_ name: String, into destination: UnsafeMutablePointer<Float>) throws
}

extension ElementType {
  /// Whether `widen` reads it.
  var isFloat: Bool { [.f64, .f32, .f16, .bf16].contains(self) }

  /// Floats of `count` elements that lie, unaligned perhaps, at `source`: exact, but F64, which is rounded.
  func widen(_ source: UnsafeRawPointer, to destination: UnsafeMutablePointer<Float>, count: Int) {
    switch self {
    case .f32: UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: 4 * count)
    case .f16: HalfPrecision.widen(binary16: source, to: destination, count: count)
    case .bf16: HalfPrecision.widen(brain: source, to: destination, count: count)
    case .f64:
      for index in 0..<count {
        destination[index] = Float(source.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
      }
    default: preconditionFailure("\(rawValue) is no type of floats")
    }
  }
}

extension CheckpointError {
  static func noFloats(_ file: URL, _ name: String, _ type: ElementType) -> CheckpointError {
    CheckpointError(file, "tensor \"\(name)\"", found: type.rawValue, expected: "F64, F32, F16 or BF16")
  }
}
