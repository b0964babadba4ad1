/// Where files and folders first differ.
import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct ContentDifferenceTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func differences(_ left: Data, _ right: Data) throws -> [ContentDifference] {
    try ContentDifference.differences(scratch.write(left, to: "left"), scratch.write(right, to: "right"))
  }

  private func differences(_ left: String, _ right: String) throws -> [ContentDifference] {
    try differences(Data(left.utf8), Data(right.utf8))
  }

  @Test func `text differs in a line, which is shown, also where one ends first`() throws {
    let found = try #require(try differences("같다\none 하나\nz\n", "같다\none 하늘\nz\n").first)
    #expect(found.line == 2 && found.left == "one 하나" && found.right == "one 하늘")
    // 같다⏎one 하 are 7 + 7 bytes; 나 is EB 82 98, 늘 is EB 8A 98.
    #expect(found.byte == 15)
    let ended = try #require(try differences("a\nb\n", "a\n").first)
    #expect(ended.line == 2 && ended.left == "b" && ended.right == "the end")
    #expect(try differences("", "").isEmpty)
  }

  @Test func `a long line is shown around the place`() throws {
    let start = String(repeating: "가", count: 1000)
    let found = try #require(try differences(start + "x" + start, start + "y" + start).first)
    #expect(found.line == 1 && found.byte == 3000 && found.left.count <= 122)
    #expect(found.left.contains("가x가") && found.right.contains("가y가"))
  }

  @Test func `bytes that are no text differ in a byte, also beyond the first block`() throws {
    var left = Data(repeating: 0xFF, count: 200_000)
    let right = left
    left[150_001] = 0x0A
    let found = try #require(try differences(left, right).first)
    #expect(found.line == nil && found.byte == 150_001 && found.left == "0xa" && found.right == "0xff")
    #expect(try differences(right, right.dropLast()).first?.right == "the end")
  }

  @Test func `folders differ in files, by path, also in those that one side lacks`() throws {
    for (path, text) in [
      ("l/same", "1"), ("r/same", "1"), ("l/sub/b", "1"), ("r/sub/b", "2"), ("l/a", "1"), ("r/z", ""),
    ] {
      try scratch.write(text, to: path)
    }
    let found = try ContentDifference.differences(scratch.url.appending(path: "l"), scratch.url.appending(path: "r"))
    #expect(found.map(\.path) == ["a", "sub/b", "z"])
    #expect(found.map(\.left) == ["a file", "1", "absent"] && found.map(\.right) == ["absent", "2", "a file"])
  }
}
