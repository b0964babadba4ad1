/// Reads safetensors files: maps the file, and gives parts of it when they are asked for.
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

  package func stored(_ name: String) throws -> StoredTensor {
    let entry = try entry(name)
    return try entry.type.stored(name, entry.shape, data(entry.bytes), isMapped: true, in: file)
  }

  func raw(_ name: String) throws -> RawTensor {
    let entry = try entry(name)
    return RawTensor(type: entry.type, shape: entry.shape, bytes: data(entry.bytes), isMapped: true)
  }

  /// Some rows of a matrix.
  package func stored(_ name: String, rows: Range<Int>) throws -> StoredTensor {
    let entry = try entry(name)
    let size = entry.shape.dropFirst().reduce(entry.type.bits, *) / 8
    let start = entry.bytes.lowerBound
    return try entry.type.stored(
      name, [rows.count] + entry.shape.dropFirst(),
      data(start + rows.lowerBound * size..<start + rows.upperBound * size), isMapped: true, in: file)
  }

  private func data(_ bytes: Range<Int>) -> Data {
    data[data.startIndex + bytes.lowerBound..<data.startIndex + bytes.upperBound]
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
