/// What PyTorch saved is read as PyTorch reads it; what would run code, or lies about its tensors, is refused.
import Foundation
import TestSupport
import Testing

@testable import Models

/// Made by Tests/Fixtures/generate/pytorch.py.
let pytorch = fixtures.appending(path: "pytorch")

@Suite struct PyTorchFileTests {
  private func file(_ path: String) throws -> PyTorchFile {
    try PyTorchFile(contentsOf: pytorch.appending(path: path), in: pytorch)
  }

  private func floats(_ name: String, of file: PyTorchFile) throws -> [Float] { try file.floats(name) }

  private func refusal(_ path: String) throws -> String {
    let error = #expect(throws: CheckpointError.self, "\(path)") { try file(path) }
    return try #require(error).description
  }

  private struct Expected: Decodable {
    let shape: [Int]
    let values: [Float]
  }

  @Test(arguments: [
    "f32", "f64", "f16", "bf16", "scalar", "empty", "transposed", "columns", "permuted", "every_other", "parameter",
  ])
  func `a tensor of any type and layout has PyTorch's shape and values`(name: String) throws {
    let expected = try JSONDecoder().decode(
      [String: Expected].self, from: Data(contentsOf: pytorch.appending(path: "kinds.json")))
    let read = try file("kinds.pt")
    let wanted = try #require(expected[name])
    #expect(try read.shape(of: name) == wanted.shape)
    #expect(try floats(name, of: read) == wanted.values)
  }

  @Test func `names come in the file's order`() throws {
    #expect(try file("kinds.pt").names.prefix(3) == ["f32", "f64", "f16"])
  }

  @Test(arguments: ["wrapped.pt", "protocol4.pt"])
  func `tensors beside a training's other values, or in a later protocol, are found`(path: String) throws {
    let read = try file(path)
    #expect(read.names == ["a"])
    #expect(try floats("a", of: read) == [1, 1])
  }

  @Test func `whole numbers are listed but not read as floats`() throws {
    let read = try file("ids.pt")
    #expect(try read.shape(of: "ids") == [3])
    let error = #expect(throws: CheckpointError.self) { try floats("ids", of: read) }
    #expect(try #require(error).description.contains(#"tensor "ids": found I64, expected F64, F32, F16 or BF16"#))
  }

  @Test(arguments: [
    ("reduce-system-2", "posix.system"), ("reduce-system-4", "posix.system"), ("reduce-popen", "commands.Popen"),
    ("reduce-eval", "__builtin__.eval"),
    ("inst", "os.system"), ("obj", "os.system"), ("newobj", "subprocess.Popen"), ("newobj-ordered", "NEWOBJ"),
    ("build", "types.SimpleNamespace"), ("stack-global", "os.system"), ("dotted", "torch.os.system"),
    ("extension", "EXT1"), ("persistent", "PERSID"), ("rebuild-with-system", "os.system"),
    ("getattr", "builtins.getattr"), ("module", "torch.nn.modules.linear.Linear"),
  ])
  func `a pickle that would run something is refused by its name, and nothing runs`(name: String, found: String) throws
  {
    let text = try refusal("evil/\(name).pt")
    #expect(text.contains("\(found), which would run code") && text.contains("weights_only=True"), "\(text)")
    #expect(!FileManager.default.fileExists(atPath: "RETORT_WAS_HERE"))
  }

  @Test(arguments: [
    ("evil/compressed.pt", #"entry "x/data.pkl": found compressed bytes"#),
    ("evil/torchscript.pt", "a TorchScript program"),
    ("legacy.pt", "the format that PyTorch wrote before 1.6"), ("expanded.pt", "that repeats 1 elements"),
    ("base/config.json", "no directory at its end"),
  ])
  func `another format is refused by its name`(path: String, found: String) throws {
    let text = try refusal(path)
    #expect(text.contains(found), "\(text)")
  }

  @Test func `a view that lies in its storage is read`() throws {
    #expect(try floats("a", of: file("views/right.pt")) == [1.5, -2])
    #expect(try floats("a", of: file("views/reversed-bounds.pt")) == [-2])
  }

  @Test(arguments: [
    "offset-beyond", "offset-negative", "size-beyond", "size-negative", "stride-beyond", "stride-negative",
    "stride-huge",
    "size-huge", "ranks-differ", "repeats",
  ])
  func `a view beyond its storage is refused`(name: String) throws {
    let text = try refusal("views/\(name).pt")
    #expect(text.contains("tensor") && text.contains("pickle, byte"), "\(text)")
  }

  @Test(arguments: [
    ("storage-larger", "found a storage of 3 F32, expected the 8 bytes"), ("storage-negative", "a storage of -2 F32"),
    ("storage-other-type", "a storage of 2 F64"),
    ("storage-missing", #"the storage "1", expected one that the archive"#),
    ("storage-outside", "expected one that the archive has"),
  ])
  func `a storage that the archive does not have so is refused`(name: String, message: String) throws {
    let text = try refusal("views/\(name).pt")
    #expect(text.contains(message), "\(text)")
  }
}
