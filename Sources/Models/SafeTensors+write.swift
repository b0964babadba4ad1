/// Writes safetensors files, byte for byte as the reference writer does for floats.
import Foundation
import JSONText
import Tensors

extension SafeTensors {
  /// Writes f32 tensors in the byte order of their names. The same tensors give the same bytes.
  package static func write(_ tensors: [String: Tensor], to file: URL) throws {
    let ordered = tensors.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    try CheckpointError.writing(file) {
      try Data().write(to: file)
      let handle = try FileHandle(forWritingTo: file)
      try handle.write(contentsOf: header(of: ordered.map { ($0.key, $0.value.shape) }))
      for (_, tensor) in ordered where tensor.count > 0 {
        let bytes = UnsafeRawBufferPointer(start: tensor.floats, count: tensor.count * MemoryLayout<Float>.size)
        try handle.write(contentsOf: bytes)
      }
      try handle.close()
    }
  }

  /// Everything before the data of f32 tensors that lie one after another.
  fileprivate static func header(of tensors: [(name: String, shape: [Int])]) -> Data {
    var header: JSONValue = ["__metadata__": ["format": "pt"]]
    var offset = 0
    for (name, shape) in tensors {
      let end = offset + shape.reduce(1, *) * MemoryLayout<Float>.size
      header[name] = [
        "dtype": "F32", "shape": .array(shape.map { .int($0) }), "data_offsets": [.int(offset), .int(end)],
      ]
      offset = end
    }
    // The data begins at a multiple of 8 bytes.
    var text = Array(header.text().utf8)
    text += Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + Data(text)
  }
}

/// Writes a file of one f32 matrix row by row, in any order, without holding it.
package final class SafeTensorsMatrixWriter {
  private let file: URL
  private let handle: FileHandle
  private let dataStart: Int
  private let rowBytes: Int

  /// - Parameter shape: [rows, columns]
  package init(_ name: String, _ shape: [Int], to file: URL) throws {
    self.file = file
    let header = SafeTensors.header(of: [(name, shape)])
    dataStart = header.count
    rowBytes = shape[1] * MemoryLayout<Float>.size
    handle = try CheckpointError.writing(file) {
      try header.write(to: file)
      let handle = try FileHandle(forWritingTo: file)
      try handle.truncate(atOffset: UInt64(header.count + shape[0] * shape[1] * MemoryLayout<Float>.size))
      return handle
    }
  }

  package func write(_ values: UnsafePointer<Float>, row: Int) throws {  // [columns]
    try CheckpointError.writing(file) {
      try handle.seek(toOffset: UInt64(dataStart + row * rowBytes))
      try handle.write(contentsOf: UnsafeRawBufferPointer(start: values, count: rowBytes))
    }
  }

  package func close() throws { try CheckpointError.writing(file) { try handle.close() } }
}
