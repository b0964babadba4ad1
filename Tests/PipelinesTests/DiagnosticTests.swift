/// What a person reads when a file is wrong: every case of Tests/Fixtures/pipelines/diagnostics.txt, word for word.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct DiagnosticTests {
  @Test(arguments: try DiagnosticCase.all())
  func `every problem of a file is reported at its place`(_ example: DiagnosticCase) throws {
    #expect(try Project().problems(example.file) == example.problems)
  }

  @Test func `bytes that are not UTF-8 are named with line and column`() throws {
    let project = try Project()
    func problem(_ bytes: [UInt8]) throws -> String {
      let problems = #expect(throws: Problems.self) { try project.plan(Data(bytes)) }
      return try #require(problems).description
    }
    #expect(
      try problem(Array("version: 1\nname: \u{d55c}".utf8) + [0xff, 0x0a])
        == """
        pipelines/p.yaml:2:8: error: the byte 0xff is not valid UTF-8; save the file as UTF-8
          name: \u{d55c}\u{fffd}
                  ^
        """)
    #expect(try problem([0xff, 0xfe, 0x61, 0x00]).contains("it looks like UTF-16"))
    #expect(
      try problem(Array("version: 1\nname: a\u{1}b\n".utf8)).contains("p.yaml:2:8: error: not valid YAML: control"))
  }

  @Test func `a file that is not there or is a folder is one problem`() throws {
    let project = try Project()
    for path in ["missing.yaml", "data"] {
      let file = project.folder.url.appending(path: "pipelines/\(path)")
      let problems = #expect(throws: Problems.self) {
        try Plan(file: file, catalog: catalog, workingFolder: project.folder.url)
      }
      #expect(try #require(problems).description.contains("\(path):1:1: error: the file cannot be read: "))
    }
  }
}

/// A file and what is said of it, `ROOT` standing for the project's folder.
struct DiagnosticCase: CustomTestStringConvertible {
  var name: String
  var file: String
  var problems: String
  var testDescription: String { name }

  /// Cases are `===== name`, the file, `-----`, the problems.
  static func all() throws -> [DiagnosticCase] {
    let text = try String(contentsOf: fixtures.appending(path: "pipelines/diagnostics.txt"), encoding: .utf8)
    return text.components(separatedBy: "\n===== ").dropFirst().map { part in
      let halves = part.components(separatedBy: "\n-----\n")
      let lines = halves[0].components(separatedBy: "\n")
      return DiagnosticCase(
        name: lines[0], file: lines.dropFirst().joined(separator: "\n") + "\n",
        problems: halves[1].trimmingCharacters(in: .newlines))
    }
  }
}
