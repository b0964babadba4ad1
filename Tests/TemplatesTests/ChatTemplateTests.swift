/// Chat templates against Jinja as transformers uses it. The golden file is made by Tests/Fixtures/generate/templates.py.
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Templates

@Suite struct ChatTemplateTests {
  private let time = LocalTime(year: 2026, month: 3, day: 7)

  private func fill(_ template: String, _ variables: [JSONMember] = []) throws -> String {
    try ChatTemplate(template).fill(variables, time: time)
  }

  private func refusal(_ template: String, _ variables: [JSONMember] = []) -> String {
    do { return "no error, but \(try fill(template, variables))" } catch { return "\(error)" }
  }

  @Test func `templates give the text that Jinja gives, or are refused where it refuses`() throws {
    let folder = fixtures.appending(path: "templates")
    let golden = try Data(contentsOf: folder.appending(path: "golden.json")).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    for (number, golden) in try #require(golden.elements).enumerated() {
      let name = try #require(golden["template"]?.string)
      let source = try String(decoding: Data(contentsOf: folder.appending(path: "\(name).jinja")), as: UTF8.self)
      let variables = try #require(golden["variables"]?.members)
      if let text = golden["text"]?.string {
        let found = try fill(source, variables)
        #expect(found.utf8.elementsEqual(text.utf8), "\(number), \(name): \(found)")
      } else {
        #expect(throws: TemplateError.self, "\(number), \(name)") { try fill(source, variables) }
      }
    }
  }

  @Test(arguments: [
    (
      "{% if x %}",
      "line 1, column 11: found the template's end, expected `{% elif %}` or `{% else %}` or `{% endif %}`"
    ),
    ("a\nb {{ x + }}", "line 2, column 10: found the tag's end, expected a value"),
    ("{{ x|nothing }}", "line 1, column 6: there is no filter `nothing`"),
    ("{{ x is odder }}", "line 1, column 9: there is no test `odder`"),
    ("한글 {% include 'x' %}", "line 1, column 7: there is no tag `include`, or it is not supported"),
    ("{{ (1 }}", "line 1, column 7: a `}` that closes nothing"),
    ("{{ 'x }}", "line 1, column 4: a string that no quote ends"),
    ("{# x", "line 1, column 1: a comment that no `#}` ends"),
    ("{{ x.y.z }}", "line 1, column 5: there is no `x`, and so it has no `y`"),
    ("{% break %}", "line 1, column 4: `break` outside of a loop"),
    ("{{ x is none 1 }}", "line 1, column 6: the test `none` takes no value"),
    ("{{ 1 / 0 }}", "line 1, column 6: a division by 0"),
    ("{{ 'a' + 1 }}", "line 1, column 8: `+` of a string and a number"),
    ("{{ raise_exception('no ' ~ 1) }}", "line 1, column 19: the template refuses: no 1"),
    ("{% set x.y = 1 %}", "line 1, column 4: `x` is no namespace: only attributes of namespaces can be set"),
    ("{{ [1].append(2) }}", "line 1, column 14: missing `append` of a list cannot be called"),
    ("{% for a, b in [1] %}{% endfor %}", "line 1, column 16: a number has no items"),
    ("{{ 9223372036854775807 + 1 }}", "line 1, column 24: the number is too large"),
  ]) func `what cannot be read or filled is an error with its place`(template: String, message: String) {
    #expect(refusal(template) == message)
  }

  @Test(arguments: [
    "{{ 'x' * 99999999999 }}", "{{ 'xxxxxxxxxxxxxxxx' * 99999999 }}", "{{ range(10 ** 9) }}", "{{ 10 ** 99 }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(t='xx') %}{% for a in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "{{ " + String(repeating: "(", count: 9999) + "1" + String(repeating: ")", count: 9999) + " }}",
    "{{ 1" + String(repeating: " + 1", count: 9999) + " }}",
    String(repeating: "{% if 1 %}", count: 9999) + String(repeating: "{% endif %}", count: 9999),
  ]) func `a template that would run away is refused`(template: String) {
    #expect(throws: TemplateError.self) { try fill(template) }
  }

  @Test func `without a time there is no function that tells it`() throws {
    let template = try ChatTemplate(
      "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}fixed{% endif %}")
    #expect(try template.fill([]) == "fixed")
    #expect(try template.fill([], time: time) == "2026")
  }

  @Test func `equal texts are those of the same characters`() throws {
    let variables = [JSONMember("a", .string("\u{E9}")), JSONMember("b", .string("e\u{301}"))]
    #expect(
      try fill("{{ a == b }} {{ a in b }} {{ a|length }} {{ b|length }} {{ {a: 1, b: 2}|length }}", variables)
        == "False False 1 2 2")
  }
}
