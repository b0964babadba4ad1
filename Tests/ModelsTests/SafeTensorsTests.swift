import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// `Tests/Fixtures/models`, made by `generate/models.py`.
let golden = fixtures.appending(path: "models")

@Suite struct SafeTensorsTests {
  let engine = CPU(threads: 1)

  @Test func `floats are written byte for byte as the reference writes them`() throws {
    let scratch = try ScratchFolder()
    let file = scratch.url.appending(path: "floats.safetensors")
    try SafeTensors.write(
      [
        "empty": engine.tensor([], [0, 4]), "a": engine.tensor([0.5], [1]),
        "b.weight": engine.tensor([0, 1, 2, 3, 4, 5], [2, 3]),
      ], to: file)
    #expect(try Data(contentsOf: file) == Data(contentsOf: golden.appending(path: "floats.safetensors")))
  }

  /// One beyond what fits lies between two numbers of the type; of two that are as near, the even one is taken.
  @Test(arguments: [(DType.bf16, Float(256)), (.f16, 2048)])
  func `numbers are rounded to the nearest of the type they are written in`(type: DType, whole: Float) throws {
    let (scratch, near) = (try ScratchFolder(), whole.nextUp)
    let (file, numbers) = (
      scratch.url.appending(path: "x.safetensors"), [whole + 1, whole + 3, near + 1, -whole - 1, 0]
    )
    try SafeTensors.write([NamedTensor("x", engine.tensor(numbers, [5]))], as: type, to: file)
    let expected = [whole, whole + 4, whole + 2, -whole, 0]
    #expect(try SafeTensors(contentsOf: file).floats("x") == expected)
    let error = #expect(throws: CheckpointError.self) {
      try SafeTensors.write([NamedTensor("x", engine.tensor([3.4e38], [1]))], as: type, to: file)
    }
    #expect(try #require(error).place == "tensor \"x\"")
  }

  @Test(arguments: ["f16", "bf16"])
  func `halves of every class widen to the floats that the reference gives`(name: String) throws {
    let file = try SafeTensors(contentsOf: golden.appending(path: "types.safetensors"))
    #expect(try floats(name, of: file).map(\.bitPattern) == floats("\(name).float", of: file).map(\.bitPattern))
  }

  @Test func `a tensor that holds no floats is listed but not read`() throws {
    let file = try SafeTensors(contentsOf: golden.appending(path: "types.safetensors"))
    #expect(Set(file.names) == ["f16", "f16.float", "bf16", "bf16.float", "ids", "mask"])
    #expect(try file.shape(of: "ids") == [4])
    #expect(throws: CheckpointError(file.file, "tensor \"ids\"", found: "I64", expected: "F64, F32, F16 or BF16")) {
      try floats("ids", of: file)
    }
  }

  @Test(arguments: hostileFiles)
  func `a hostile header is refused with the file's name and what is wrong`(hostile: HostileFile) throws {
    let scratch = try ScratchFolder()
    let file = try scratch.write(hostile.bytes, to: "hostile.safetensors")
    let error = #expect(throws: CheckpointError.self) { try SafeTensors(contentsOf: file) }
    let text = try #require(error).description
    #expect(text.contains("hostile.safetensors") && text.contains(hostile.message), "\(text)")
  }

  private func floats(_ name: String, of file: SafeTensors) throws -> [Float] { try file.floats(name) }
}

struct HostileFile: Sendable, CustomTestStringConvertible {
  let bytes: Data
  let message: String
  var testDescription: String { message }

  /// A file with this header, so many bytes of data, and perhaps a false length of the header.
  init(_ header: String, data: Int = 8, length: UInt64? = nil, _ message: String) {
    bytes =
      withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Data($0) } + Data(header.utf8)
      + Data(count: data)
    self.message = message
  }

  init(bytes: Data, _ message: String) {
    self.bytes = bytes
    self.message = message
  }
}

private let pair = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
let hostileFiles: [HostileFile] = [
  HostileFile(bytes: Data(), "0 bytes"),
  HostileFile(bytes: Data([1, 2, 3]), "3 bytes"),
  HostileFile("{}", data: 0, length: 3, "a header of 3 bytes"),
  HostileFile("{}", data: 0, length: .max, "a header of 18446744073709551615 bytes"),
  HostileFile("{}", data: 0, length: 0, "a header of 0 bytes"),
  HostileFile("[]", data: 0, "an object of tensors"),
  HostileFile(#"{"a":"#, "found the end"),
  HostileFile(#"{"a":[[[[[[1]]]]]]}"#, "deeper nesting"),
  HostileFile(pair + #""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "\"a\" again"),
  HostileFile(pair + #""b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "overlap another tensor"),
  HostileFile(pair + #""b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#, data: 12, "leave a hole"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "4 bytes after the last tensor"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "within the file's 8 bytes"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "offsets within"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "the bytes of F32 [3]"),
  HostileFile(
    #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
    "the bytes of F32 [4611686018427387904, 4]"),
  HostileFile(#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#, "the bytes of F4 [3]"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "whole numbers from 0"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, "whole numbers from 0"),
  HostileFile(#"{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}"#, "whole numbers from 0"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, "two whole numbers"),
  HostileFile(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}"#, "two whole numbers"),
  HostileFile(#"{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#, "dtype \"F31\""),
  HostileFile(#"{"a":{"dtype":"F32","shape":[2]}}"#, "the keys dtype, shape, data_offsets"),
  HostileFile(#"{"a":7}"#, "the keys dtype, shape, data_offsets"),
  HostileFile(#"{"__metadata__":{"format":1}}"#, data: 0, "an object of strings"),
]
