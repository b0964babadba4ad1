/// Reads safetensors files: maps the file, copies elements, widened to `Float`, when they are asked for.
import Basics
import Foundation
import Tensors

/// A checked safetensors file.
package struct SafeTensors: TensorFile {
  package let file: URL
  private let entries: [SafeTensorsHeader.Entry]
  private let indexByName: [String: Int]
  /// The whole file, mapped.
  private let data: Data

  /// - Parameter root: the model's folder, out of which no link may lead; absent: the file may lie anywhere.
  package init(contentsOf file: URL, in root: URL? = nil) throws {
    data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
      try ForeignFile.mapped(file, in: root)
    }
    entries = try data.withUnsafeBytes { try SafeTensorsHeader($0, file: file) }.entries
    indexByName = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
    self.file = file
  }

  /// In the order of their bytes.
  package var names: [String] { entries.map(\.name) }

  package func contains(_ name: String) -> Bool { indexByName[name] != nil }

  package func shape(of name: String) throws -> [Int] { try entry(name).shape }

  /// The elements of the F64, F32, F16 or BF16 tensor `name`, written to `destination`, which has room for all of them.
  package func readFloats(_ name: String, into destination: UnsafeMutablePointer<Float>) throws {
    try readFloats(name, from: 0, count: entry(name).shape.reduce(1, *), into: destination)
  }

  /// `count` of its elements, in the file's order, from the one at `start` on.
  package func readFloats(
    _ name: String, from start: Int, count: Int, into destination: UnsafeMutablePointer<Float>
  ) throws {
    let entry = try entry(name)
    let size = entry.type.bits / 8
    try data.withUnsafeBytes { bytes in
      let source = UnsafeRawBufferPointer(rebasing: bytes[entry.bytes].dropFirst(start * size).prefix(count * size))
      guard let base = source.baseAddress, count > 0 else { return }
      guard entry.type.isFloat else { throw CheckpointError.noFloats(file, name, entry.type) }
      entry.type.widen(base, to: destination, count: count)
    }
  }

  /// The elements as they lie in the file, little-endian, for as long as `body` runs.
  package func withBytes<Result>(
    of name: String, _ body: (ElementType, UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    let entry = try entry(name)
    return try data.withUnsafeBytes { try body(entry.type, UnsafeRawBufferPointer(rebasing: $0[entry.bytes])) }
  }

  package func type(of name: String) throws -> ElementType { try entry(name).type }

  private func entry(_ name: String) throws -> SafeTensorsHeader.Entry {
    guard let index = indexByName[name] else {
      throw CheckpointError(file, found: "no tensor \"\(name)\"", expected: "one")
    }
    return entries[index]
  }
}
