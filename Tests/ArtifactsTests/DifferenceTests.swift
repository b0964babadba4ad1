/// Where two artifacts first differ.
import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct DifferenceTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private func difference(_ one: Data, _ two: Data) throws -> ArtifactDifference? {
    try .first(scratch.write(one, to: "one"), scratch.write(two, to: "two"))
  }
  private func difference(_ one: String, _ two: String) throws -> ArtifactDifference? {
    try difference(Data(one.utf8), Data(two.utf8))
  }

  @Test func `equal files do not differ, whatever their length`() throws {
    let long = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    #expect(try difference(long, long) == nil)
    #expect(try difference("", "") == nil)
  }

  @Test func `text differs at a line, also where one ends`() throws {
    let found = try #require(try difference("a\nb\nc\n", "a\nb\nd\n"))
    #expect(found == ArtifactDifference(kind: .bytes, offset: 4, line: 3))
    #expect(try difference("a\n", "a\nb")?.offset == 2)
    #expect(try difference("", "b")?.line == 1)
  }

  @Test func `other bytes differ at an offset, beyond the first block too`() throws {
    var one = Data(count: 100_000)
    let two = one
    one[70_001] = 1
    #expect(try difference(one, two) == ArtifactDifference(kind: .bytes, offset: 70_001))
  }

  @Test func `safetensors differ at an element of a tensor`() throws {
    let header =
      #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"#
      + #""b":{"dtype":"F16","shape":[4],"data_offsets":[12,20]}}"#
    var one = Data(withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)) + Data(header.utf8)
    let start = one.count
    one += Data(count: 20)
    var two = one
    two[start + 17] = 1
    #expect(
      try difference(one, two)
        == ArtifactDifference(kind: .bytes, offset: start + 17, tensor: "b", element: 2))
    two[start + 9] = 1
    #expect(try difference(one, two)?.description == "differs at tensor a, element 2 (byte \(start + 9))")
  }

  @Test func `of folders the first path that differs counts`() throws {
    for (path, text) in [("a/x", "1"), ("a/y", "1"), ("b/x", "1"), ("b/y", "2")] { try scratch.write(text, to: path) }
    func first() throws -> ArtifactDifference? {
      try .first(scratch.url.appending(path: "a"), scratch.url.appending(path: "b"))
    }
    #expect(try first() == ArtifactDifference(kind: .bytes, path: "y", offset: 0, line: 1))
    try scratch.write("", to: "b/more")
    #expect(try first() == ArtifactDifference(kind: .onlyInSecond, path: "more"))
    #expect(throws: FileError.self) {
      try ArtifactDifference.first(scratch.url.appending(path: "a"), scratch.url.appending(path: "none"))
    }
  }
}
