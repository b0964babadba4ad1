/// Writes safetensors files, byte for byte as the reference writer does for floats.
import Foundation
import JSONText
import Tensors

extension SafeTensors {
  /// Writes f32 tensors in the byte order of their names. The same tensors give the same bytes.
  package static func write(_ tensors: [String: Tensor], to file: URL) throws {
    let ordered = tensors.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    var header: JSONValue = ["__metadata__": ["format": "pt"]]
    var offset = 0
    for (name, tensor) in ordered {
      let end = offset + tensor.count * MemoryLayout<Float>.size
      header[name] = [
        "dtype": "F32", "shape": .array(tensor.shape.map { .int($0) }), "data_offsets": [.int(offset), .int(end)],
      ]
      offset = end
    }
    // The data begins at a multiple of 8 bytes.
    var text = Array(header.text().utf8)
    text += Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
    try CheckpointError.writing(file) {
      try Data().write(to: file)
      let handle = try FileHandle(forWritingTo: file)
      try handle.write(contentsOf: withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) })
      try handle.write(contentsOf: Data(text))
      for (_, tensor) in ordered where tensor.count > 0 {
        let bytes = UnsafeRawBufferPointer(start: tensor.floats, count: tensor.count * MemoryLayout<Float>.size)
        try handle.write(contentsOf: bytes)
      }
      try handle.close()
    }
  }
}
