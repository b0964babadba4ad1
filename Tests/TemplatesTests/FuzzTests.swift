/// Any text at all, as a template, ends in a text or in an error with its place.
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Templates

@Suite struct FuzzTests {
  @Test(arguments: ["turns", "tools", "values", "spaces"])
  func `a mutated template gives a text, or an error with its place`(name: String) throws {
    let file = fixtures.appending(path: "templates/\(name).jinja")
    let whole = try Array(Data(contentsOf: file))
    let variables: [JSONMember] = [
      JSONMember(
        "messages", [["role": "user", "content": "<think>a</think> 한국어"], ["role": "assistant", "content": "b"]]),
      JSONMember("tools", [["type": "function", "function": ["name": "f", "parameters": ["type": "object"]]]]),
      JSONMember("people", [["name": "Kim", "age": 40]]), JSONMember("tree", [["v": 1, "c": [["v": 2]]]]),
    ]
    let tokens = [
      "{%", "%}", "{{", "}}", "{#", "#}", "{%- ", " -%}", "{%+ ", "|", " is ", " not ", " in ", "~", "**", "//",
      "[::-1]",
      "[", "]", "(", ")", "{", "}", "'", "\"", "\\u", "%", "loop", "namespace", "range(", "9999999999", "recursive",
      "{% for x in messages %}", "{% endfor %}", "{% if ", "{% else %}", "{% endif %}", "{% macro m(a=1) %}", "|tojson",
      "{% endmacro %}", "{% set ", "{% endset %}", "{% break %}", "|map('upper')", "|sort", ".split('",
      "| replace('a', ''",
      "none", "-1", "0", ", ", "=", ".items()",
    ]
    let result = try Fuzz("templates/\(name)", [whole], tokens: tokens, count: 500).run { bytes in
      do {
        _ = try ChatTemplate(String(decoding: bytes, as: UTF8.self)).fill(
          variables, time: LocalTime(year: 2024, month: 2, day: 29))
        return true
      } catch let error as TemplateError {
        guard error.line > 0, error.column > 0 else { throw error }
        return false
      }
    }
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }
}
