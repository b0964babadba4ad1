/// Any bytes at all, as a checkpoint of PyTorch, end in tensors that lie in the file or in an error that names it.
import Foundation
import TestSupport
import Testing

@testable import Models

@Suite struct PickleFuzzTests {
  /// An archive like `file` with another pickle.
  private static func archive(_ file: [UInt8], pickle: [UInt8]) throws -> [UInt8] {
    func number(_ value: Int, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(value >> (8 * $0) & 0xFF) } }
    let entries = try file.withUnsafeBytes { try ZipArchive($0, file: pytorch) }.entries
    var (data, directory) = ([UInt8](), [UInt8]())
    for entry in entries {
      let name = Array(entry.name.utf8)
      let contents = name.suffix(8) == Array("data.pkl".utf8)[...] ? pickle : Array(file[entry.bytes])
      let sizes = number(contents.count, 4) + number(contents.count, 4) + number(name.count, 2) + number(0, 2)
      let start = data.count
      data += Array("PK\u{3}\u{4}".utf8) + number(0, 14) + sizes + name + contents
      directory += Array("PK\u{1}\u{2}".utf8) + number(0, 16) + sizes + number(0, 10) + number(start, 4) + name
    }
    return data + directory + Array("PK\u{5}\u{6}".utf8) + number(0, 4) + number(entries.count, 2)
      + number(entries.count, 2) + number(directory.count, 4) + number(data.count, 4) + number(0, 2)
  }

  /// Reads every tensor. What is read has memory of its own, no larger than the file.
  @Sendable private static func read(_ bytes: [UInt8], _ file: URL) throws -> Bool {
    try Data(bytes).write(to: file)
    do {
      let read = try PyTorchFile(contentsOf: file, in: file.deletingLastPathComponent())
      for name in read.names {
        let count = try read.shape(of: name).reduce(1, *)
        guard count <= bytes.count else { throw Oversize(name: name, count: count) }
        do { _ = try read.floats(name) } catch is CheckpointError {}  // of whole numbers
      }
      return true
    } catch let error as CheckpointError {
      if error.description.contains(file.lastPathComponent) { return false }
      throw error
    }
  }

  private struct Oversize: Error {
    let name: String
    let count: Int
  }

  private static let tokens = [
    "cos\nsystem\n", "ctorch\nFloatStorage\n", "ctorch\nLongStorage\n", "ccollections\nOrderedDict\n",
    "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n", "}", ")R", "(", "t", "Q", "R", "b",
    "u",
    "s", "q\u{0}", "h\u{0}", "h\u{1}", "N", "]", "e", "a", "K\u{0}", "M\u{1}\u{1}", "J\u{7F}\u{7F}\u{7F}\u{7F}", ".",
    "PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "PK\u{6}\u{7}", "\u{0}\u{0}\u{0}\u{0}",
    "X\u{3}\u{0}\u{0}\u{0}abc", "\u{7F}\u{7F}\u{7F}\u{7F}", "data.pkl",
  ]

  @Test(arguments: [
    (UInt8(0x94), "1048576 remembered values"), (UInt8(ascii: "("), "1048576 open marks"),
    (UInt8(ascii: "N"), "more than 1048576 values"), (UInt8(ascii: "]"), "more than 1048576 values"),
  ])
  func `a pickle of one instruction, again and again, is refused before it fills the memory`(
    instruction: UInt8, found: String
  ) throws {
    let file = try Array(Data(contentsOf: pytorch.appending(path: "protocol4.pt")))
    let pickle = [UInt8(ascii: "N")] + repeatElement(instruction, count: Pickle.mostValues + 1)
    let scratch = try ScratchFolder()
    let place = try scratch.write(
      Data(Self.archive(file, pickle: pickle)), to: "x.pt")
    let error = #expect(throws: CheckpointError.self) { try PyTorchFile(contentsOf: place, in: scratch.url) }
    #expect(try #require(error).found.contains(found))
  }

  @Test(arguments: ["kinds.pt", "state.pt"])
  func `mutated pickles in a sound archive are refused or have tensors that lie in it`(name: String) throws {
    let file = try Array(Data(contentsOf: pytorch.appending(path: name)))
    let entries = try file.withUnsafeBytes { try ZipArchive($0, file: pytorch) }.entries
    let pickle = try #require(entries.first { $0.name.hasSuffix("data.pkl") }).bytes
    let result = try Fuzz("pickle of \(name)", [Array(file[pickle])], tokens: Self.tokens, count: 4000).run(
      prepare: { $0.appending(path: "x.pt") },
      read: { bytes, place in try Self.read(Self.archive(file, pickle: bytes), place) })
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }

  @Test func `mutated checkpoints of PyTorch are refused or have tensors that lie in the file`() throws {
    let files = try ["kinds.pt", "state.pt", "wrapped.pt", "protocol4.pt", "views/right.pt"].map {
      try Array(Data(contentsOf: pytorch.appending(path: $0)))
    }
    let result = try Fuzz("pytorch", files, tokens: Self.tokens, count: 4000).run(
      prepare: { $0.appending(path: "x.pt") }, read: Self.read)
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }
}
