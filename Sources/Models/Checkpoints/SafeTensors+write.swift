/// Writes safetensors files, byte for byte as the reference writer does for floats.
import Foundation
import JSONText
import Tensors

extension SafeTensors {
  /// Writes tensors in the byte order of their names, each asked for when its turn has come; of another type than fp32
  /// they are rounded to the nearest. The same tensors give the same bytes. A file that is there stays as it is for those
  /// that have it mapped.
  package static func write(_ tensors: [NamedTensor], as type: DType = .f32, to file: URL) throws {
    let ordered = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    try CheckpointError.writing(file) {
      let partial = file.appendingPathExtension("partial")
      try header(of: ordered.map { ($0.name, $0.shape, $0.element ?? ElementType(type)) }).write(to: partial)
      let handle = try FileHandle(forWritingTo: partial)
      try handle.seekToEnd()
      for tensor in ordered { try handle.write(contentsOf: tensor.bytes(as: type, for: file)) }
      try handle.close()
      guard rename(partial.path, file.path) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
  }

  /// Everything before the data of tensors that lie one after another.
  fileprivate static func header(of tensors: [(name: String, shape: [Int], element: ElementType)]) -> Data {
    var header: JSONValue = ["__metadata__": ["format": "pt"]]
    var offset = 0
    for (name, shape, element) in tensors {
      let end = offset + shape.reduce(1, *) * element.bits / 8
      header[name] = [
        "dtype": .string(element.rawValue), "shape": .array(shape.map { .int($0) }),
        "data_offsets": [.int(offset), .int(end)],
      ]
      offset = end
    }
    // The data begins at a multiple of 8 bytes.
    var text = Array(header.text().utf8)
    text += Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + Data(text)
  }
}

extension ElementType {
  fileprivate init(_ type: DType) {
    self =
      switch type {
      case .bf16: .bf16
      case .f16: .f16
      default: .f32
      }
  }
}

/// A tensor to be written.
package struct NamedTensor {
  let name: String
  let shape: [Int]
  /// The type that it is written in, as its bytes lie; absent: that of the file, into which its fp32 is rounded.
  let element: ElementType?
  /// As they lie.
  let bytes: () throws -> Data

  init(_ name: String, _ shape: [Int], as element: ElementType? = nil, bytes: @escaping () throws -> Data) {
    (self.name, self.shape, self.element, self.bytes) = (name, shape, element, bytes)
  }

  package init(_ name: String, _ tensor: Tensor) { self.init(name, tensor.shape) { tensor.bytes } }

  init(_ weight: Weight, as name: String? = nil) {
    self.init(name ?? weight.name, weight.shape) { weight.fp32Bytes }
  }

  /// - Parameter file: for messages.
  fileprivate func bytes(as type: DType, for file: URL) throws -> Data {
    if element != nil { return try bytes() }
    return switch type {
    case .bf16: try rounded(file, "bfloat16") { UInt16(truncatingIfNeeded: $0.roundedToHalf >> 16) }
    case .f16: try rounded(file, "float16") { Float16($0).bitPattern }
    default: try bytes()
    }
  }

  /// Throws a `CheckpointError` on a number that the type has no place for.
  private func rounded(_ file: URL, _ type: String, _ round: (Float) -> UInt16) throws -> Data {
    try bytes().withUnsafeBytes { source in
      let count = source.count / 4
      var result = Data(count: 2 * count)
      try result.withUnsafeMutableBytes { target in
        // The exponent's bits: all of them are set of what is no finite number.
        let exponent: UInt16 = type == "float16" ? 0x7C00 : 0x7F80
        for place in 0..<count {
          let value = source.loadUnaligned(fromByteOffset: 4 * place, as: Float.self)
          let half = round(value)
          guard half & exponent != exponent else {
            throw CheckpointError(
              file, "tensor \"\(name)\"", found: "\(value)", expected: "a number that \(type) has",
              remedy: "Write another type: `dtype: float32`.")
          }
          target.storeBytes(of: half.littleEndian, toByteOffset: 2 * place, as: UInt16.self)
        }
      }
      return result
    }
  }
}

extension Float {
  /// Its bits, so that the upper half is the nearest bfloat16, of two the even one.
  fileprivate var roundedToHalf: UInt32 { bitPattern &+ 0x7FFF &+ (bitPattern >> 16 & 1) }
}

/// Writes a file of one matrix row by row, in any order, without holding it.
package final class SafeTensorsMatrixWriter {
  private let file: URL
  private let handle: FileHandle
  private let dataStart: Int
  private let rowBytes: Int

  /// - Parameters:
  ///   - shape: [rows, columns]
  ///   - others: floats that lie behind the matrix.
  package init(
    _ name: String, _ shape: [Int], as element: ElementType = .f32,
    beside others: [(name: String, shape: [Int], floats: [Float])] = [], to file: URL
  ) throws {
    self.file = file
    let header = SafeTensors.header(of: [(name, shape, element)] + others.map { ($0.name, $0.shape, .f32) })
    dataStart = header.count
    rowBytes = shape[1] * element.bits / 8
    let end = UInt64(header.count + shape[0] * rowBytes)
    handle = try CheckpointError.writing(file) {
      try header.write(to: file)
      let handle = try FileHandle(forWritingTo: file)
      try handle.truncate(atOffset: end)
      try handle.seek(toOffset: end)
      for other in others { try handle.write(contentsOf: Data(floats: other.floats)) }
      return handle
    }
  }

  /// - Parameter elements: those of the row as they lie: [columns]
  package func write(_ elements: Data, row: Int) throws {
    try CheckpointError.writing(file) {
      try handle.seek(toOffset: UInt64(dataStart + row * rowBytes))
      try handle.write(contentsOf: elements)
    }
  }

  package func close() throws { try CheckpointError.writing(file) { try handle.close() } }
}
