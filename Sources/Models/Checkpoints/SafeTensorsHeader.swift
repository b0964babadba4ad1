/// The header of a safetensors file: an 8-byte little-endian length and a JSON object that names each tensor, its type,
/// shape and bytes. It is untrusted: nothing in it is believed before it is checked against the file.
import Foundation
import JSONText

/// Types of elements that the format knows. Floats are read; the others are only listed.
package enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL", u8 = "U8", i8 = "I8", u16 = "U16", i16 = "I16", u32 = "U32", i32 = "I32", u64 = "U64", i64 = "I64"
  case f16 = "F16", bf16 = "BF16", f32 = "F32", f64 = "F64", c64 = "C64"
  case f8e4m3 = "F8_E4M3", f8e5m2 = "F8_E5M2", f8e8m0 = "F8_E8M0", f4 = "F4", f6e2m3 = "F6_E2M3", f6e3m2 = "F6_E3M2"

  package var bits: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0: 8
    case .u16, .i16, .f16, .bf16: 16
    case .u32, .i32, .f32: 32
    case .u64, .i64, .f64, .c64: 64
    }
  }
}

package struct SafeTensorsHeader {
  package struct Entry: Sendable, Hashable {
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    /// Where the elements lie in the file.
    package let bytes: Range<Int>
  }

  /// In the order of their bytes, which cover the file without hole or overlap.
  package private(set) var entries: [Entry] = []
  private let file: URL
  private let dataStart: Int
  private let fileSize: Int

  private static let lengthBytes = 8
  /// The reference refuses longer headers, too.
  private static let longest = 100_000_000

  /// Throws a `CheckpointError` that names `file` and what is wrong with its header.
  package init(_ bytes: UnsafeRawBufferPointer, file: URL) throws {
    guard bytes.count >= Self.lengthBytes else {
      throw CheckpointError(
        file, found: "\(bytes.count) bytes", expected: "the length of a safetensors header (8 bytes)")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    let available = min(bytes.count - Self.lengthBytes, Self.longest)
    guard length >= 2, length <= UInt64(available) else {
      throw CheckpointError(
        file, found: "a header of \(length) bytes", expected: "2 to \(available) bytes",
        remedy: "Either this is no safetensors file or it is truncated: fetch it again.")
    }
    self.file = file
    self.fileSize = bytes.count
    self.dataStart = Self.lengthBytes + Int(length)
    var reader = JSONReader(bytes, in: Self.lengthBytes..<dataStart, maximumDepth: 3)
    let header: JSONValue
    do { header = try reader.onlyValue() } catch {
      let place = "header byte \(error.offset - Self.lengthBytes)"
      throw CheckpointError(file, place, found: error.found, expected: error.expected)
    }
    guard let members = header.members else {
      throw CheckpointError(file, "header", found: header.text(), expected: "an object of tensors")
    }
    for member in members {
      if member.key == "__metadata__" {
        try checkMetadata(member.value)
      } else {
        entries.append(try entry(member.key, member.value))
      }
    }
    try checkCoverage()
  }

  private func checkMetadata(_ value: JSONValue) throws {
    guard let members = value.members, members.allSatisfy({ $0.value.string != nil }) else {
      throw CheckpointError(file, "__metadata__", found: "other values", expected: "an object of strings")
    }
  }

  private func entry(_ name: String, _ value: JSONValue) throws -> Entry {
    func error(_ found: String, _ expected: String, remedy: String? = nil) -> CheckpointError {
      CheckpointError(file, "tensor \"\(name)\"", found: found, expected: expected, remedy: remedy)
    }
    guard let members = value.members, Set(members.map(\.key)) == ["dtype", "shape", "data_offsets"] else {
      throw error("\(value.members?.map(\.key) ?? [])", "the keys dtype, shape, data_offsets")
    }
    guard let type = value["dtype"]?.string.flatMap(ElementType.init) else {
      throw error(
        "dtype \(value["dtype"]?.text() ?? "")",
        "one of \(ElementType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let shape = Self.sizes(value["shape"]) else {
      throw error("shape \(value["shape"]?.text() ?? "")", "a list of whole numbers from 0")
    }
    guard let offsets = Self.sizes(value["data_offsets"]), offsets.count == 2 else {
      throw error("data_offsets \(value["data_offsets"]?.text() ?? "")", "two whole numbers from 0")
    }
    let (begin, end) = (offsets[0], offsets[1])
    guard begin <= end, end <= fileSize - dataStart else {
      throw error(
        "data_offsets \(offsets)", "offsets within the file's \(fileSize - dataStart) bytes of data",
        remedy: "If the file is truncated, fetch it again.")
    }
    guard let bits = Self.product(shape + [type.bits]), bits % 8 == 0, bits / 8 == end - begin else {
      throw error("\(end - begin) bytes", "the bytes of \(type.rawValue) \(shape)")
    }
    return Entry(name: name, type: type, shape: shape, bytes: dataStart + begin..<dataStart + end)
  }

  /// Sorts the entries by place and checks that each begins where the one before ends.
  private mutating func checkCoverage() throws {
    entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
    var covered = dataStart
    for entry in entries {
      guard entry.bytes.lowerBound == covered else {
        let overlaps = entry.bytes.lowerBound < covered
        throw CheckpointError(
          file, "tensor \"\(entry.name)\"",
          found: "data_offsets that " + (overlaps ? "overlap another tensor" : "leave a hole"),
          expected: "a beginning at \(covered - dataStart)")
      }
      covered = entry.bytes.upperBound
    }
    guard covered == fileSize else {
      throw CheckpointError(
        file, found: "\(fileSize - covered) bytes after the last tensor", expected: "the end of the file")
    }
  }

  private static func sizes(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.elements else { return nil }
    let sizes = elements.compactMap(\.int).filter { $0 >= 0 }
    return sizes.count == elements.count ? sizes : nil
  }

  /// `nil` if the product overflows.
  private static func product(_ factors: [Int]) -> Int? {
    factors.reduce(1) { product, factor in
      guard let (value, overflow) = product?.multipliedReportingOverflow(by: factor), !overflow else { return nil }
      return value
    }
  }
}
