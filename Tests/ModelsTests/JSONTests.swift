import Foundation
import Models
import TestSupport
import Testing

@Suite struct JSONTests {
  @Test func `a configuration keeps its keys, their order and its numbers`() throws {
    let scratch = try ScratchFolder()
    let text = """
      {
        "z": 1e-12,
        "a": [
          1,
          -0.5,
          1e+30
        ],
        "empty": {},
        "text": "\\"한글\\\\ \\u0001\\n",
        "on": true,
        "none": null
      }

      """
    let file = try scratch.write(text, to: "config.json")
    try Configuration(contentsOf: file).write()
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
  }

  @Test func `escapes mean the scalars of the standard`() throws {
    let scratch = try ScratchFolder()
    let file = try scratch.write(#"{"k": "\u00e9\ud83d\ude00\/\b"}"#, to: "a.json")
    #expect(try Configuration(contentsOf: file).string("k") == "é😀/\u{8}")
  }

  @Test(arguments: [
    (#"{"a": 01}"#, "line 1: found '1'"), ("{\n\"a\": 1,\n}", "line 3: found '}', expected a key in quotes"),
    (#"{"a": "\ud83d"}"#, "surrogates"), (#"{"a": 1e999}"#, "finite"), (#"{"a": tru}"#, "expected true"),
    (#"{"a": 1} x"#, "the end of the document"), (#"{"a": 1, "a": 2}"#, "\"a\" again"), ("", "a JSON value"),
    (#"{"a": -}"#, "a digit"), (#"{"a": "\x"}"#, "an escape"), ("[" + String(repeating: "[", count: 100), "deeper"),
  ])
  func `malformed JSON is refused with its line`(text: String, message: String) throws {
    let scratch = try ScratchFolder()
    let file = try scratch.write(text, to: "bad.json")
    let error = #expect(throws: CheckpointError.self) { try Configuration(contentsOf: file) }
    #expect(try #require(error).description.contains(message), "\(error!)")
  }
}
