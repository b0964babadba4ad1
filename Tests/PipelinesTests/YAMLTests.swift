/// YAML 1.2 by its core schema, with places counted in characters.
import Foundation
import Testing

@testable import Pipelines

struct YAMLTests {
  private func parse(_ text: String) throws -> Node {
    let diagnostics = Diagnostics(file: URL(filePath: "/x.yaml"), bytes: Array(text.utf8))
    let node = parseYAML(diagnostics)
    #expect(diagnostics.problems.map(\.message) == [])
    return try #require(node)
  }

  /// The tables of the YAML 1.2.2 specification, sections 10.2 and 10.3, and what YAML 1.1 would have read otherwise.
  private static let scalars: [(text: String, value: ParameterValue)] = [
    ("", .null), ("~", .null), ("null", .null), ("Null", .null), ("nULL", .string("nULL")),
    ("true", .bool(true)), ("False", .bool(false)), ("TRUE", .bool(true)), ("tRUE", .string("tRUE")),
    ("no", .string("no")), ("on", .string("on")), ("Yes", .string("Yes")), ("y", .string("y")),
    ("0", .int(0)), ("-19", .int(-19)), ("+3", .int(3)), ("007", .int(7)), ("0o7", .int(7)), ("0x3A", .int(58)),
    ("0o8", .string("0o8")), ("0x", .string("0x")), ("0x-1", .string("0x-1")), ("-0o7", .string("-0o7")),
    ("0b1", .string("0b1")), ("1_000", .string("1_000")), ("1:30", .string("1:30")), ("1 2", .string("1 2")),
    ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
    ("9223372036854775808", .double(9_223_372_036_854_775_808)),
    ("0.", .double(0)), ("-0.0", .double(-0.0)), (".5", .double(0.5)), ("+12e03", .double(12000)),
    ("-2E+05", .double(-200_000)), ("2e-5", .double(2e-5)), ("1.", .double(1)), (".", .string(".")),
    ("1e", .string("1e")), ("e5", .string("e5")), (".e5", .string(".e5")), ("1.5.2", .string("1.5.2")),
    ("-", .string("-")), ("+", .string("+")), ("--1", .string("--1")), ("0x1p3", .string("0x1p3")),
    (".inf", .double(.infinity)), ("-.Inf", .double(-.infinity)), ("+.INF", .double(.infinity)),
    ("inf", .string("inf")), ("nan", .string("nan")), ("\u{ff11}", .string("\u{ff11}")), ("1e999", .double(.infinity)),
  ]

  @Test func `plain scalars have the types of the core schema`() throws {
    for (text, value) in Self.scalars { #expect(ParameterValue(plain: text) == value, "\(text)") }
    #expect(try #require(Double(parameter: ParameterValue(plain: ".nan"))).isNaN)
  }

  @Test func `quotes and tags decide a type`() throws {
    let node = try parse(#"[1, "1", '1', !!str 1, !!int 1, !!float 1, ! 1, !!null "", !!bool "true"]"#)
    let values = try #require(node.elements).map { node in
      if case .scalar(let value, _) = node.value { value } else { ParameterValue.null }
    }
    #expect(
      values == [
        .int(1), .string("1"), .string("1"), .string("1"), .int(1), .double(1), .string("1"), .null, .bool(true),
      ])
  }

  @Test func `places are lines and characters, whatever the characters' bytes`() throws {
    let node = try parse("\u{feff}한글: [가, \u{1f600}x, z]\r\nb:\n  - |\n    t\n  - y\n")
    let entries = try #require(node.entries)
    let (nodes, others) = (try #require(entries[0].value.elements), try #require(entries[1].value.elements))
    #expect(nodes.map(\.mark) == [Mark(line: 1, column: 6), Mark(line: 1, column: 9), Mark(line: 1, column: 13)])
    #expect(entries[1].mark == Mark(line: 2, column: 1))
    #expect(others.map(\.mark) == [Mark(line: 3, column: 5), Mark(line: 5, column: 5)])
  }

  @Test func `merged keys come after a mapping's own and never replace them`() throws {
    let node = try parse("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\nd: {\"<<\": 1}\n")
    let values = try #require(node["c"]?.entries).map { entry in
      if case .scalar(_, let text) = entry.value.value { entry.key + text } else { "" }
    }
    #expect(values == ["x9", "y2", "z4"])
    #expect(node["d"]?["<<"] != nil)
  }
}

extension Node {
  fileprivate var elements: [Node]? { if case .sequence(let nodes) = value { nodes } else { nil } }
  fileprivate var entries: [Entry]? { if case .mapping(let entries) = value { entries } else { nil } }
}
