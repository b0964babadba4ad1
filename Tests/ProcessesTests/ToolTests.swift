/// What programs of the system are given and what is taken of them.
import Foundation
@testable import Processes
import Testing

@Suite struct ToolTests {
  @Test func `a program gets its input and gives its output, its complaints and its end`() throws {
    let result = try Tool.answer(["sh", "-c", "cat; echo no >&2; exit 3"], input: Data("given".utf8))
    #expect(result.output == Data("given".utf8) && result.errors == "no\n" && result.end == .exit(3))
    #expect(Tool.run(["sh", "-c", "exit 3"]) == nil && Tool.run(["no-such-program-of-retort"]) == nil)
    #expect(Tool.run(["printf", "a\\nb\\n"])?.lines == ["a", "b"])
  }

  @Test func `much input and much output at once stop nobody`() throws {
    let input = Data(repeating: 0x61, count: 1 << 20)
    #expect(try Tool.answer(["cat"], input: input).output == input)
  }

  @Test func `a program that ends well with its input unread is an error`() throws {
    try Tool.demand(["cat"], input: Data("some".utf8))
    let unread = #expect(throws: ToolFailed.self) { try Tool.demand(["true"], input: Data("some".utf8)) }
    #expect(unread?.description == "`true` left 4 bytes unread of what it was given")
    let failed = #expect(throws: ToolFailed.self) { try Tool.demand(["sh", "-c", "echo why >&2; exit 1"]) }
    #expect(failed?.description.hasSuffix("ended with exit code 1: why") == true)
  }
}
