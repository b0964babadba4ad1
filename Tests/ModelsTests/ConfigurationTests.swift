import Foundation
import Models
import TestSupport
import Testing

@Suite struct ConfigurationTests {
  @Test func `a configuration is written as it was read`() throws {
    let scratch = try ScratchFolder()
    let text = "{\n  \"z\": 1e-12,\n  \"a\": [\n    1,\n    1000000000000000019884624838656\n  ]\n}\n"
    let file = try scratch.write(text, to: "config.json")
    try Configuration(contentsOf: file, in: scratch.url).write()
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
  }

  @Test(arguments: [
    ("{\n\"k\": 1,\n}", #"bad.json: line 3, column 1: found "}", expected a key in double quotes"#),
    (#"{"k": 1.5}"#, #"bad.json: key "k": found 1.5, expected a whole number"#),
    ("{}", #"bad.json: key "k": found nothing, expected a whole number"#),
  ])
  func `what cannot be read is named by file and place`(text: String, message: String) throws {
    let scratch = try ScratchFolder()
    let file = try scratch.write(text, to: "bad.json")
    let error = #expect(throws: CheckpointError.self) { try Configuration(contentsOf: file, in: scratch.url).int("k") }
    #expect(try #require(error).description.hasSuffix(message), "\(error!)")
  }
}
