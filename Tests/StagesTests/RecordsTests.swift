import Foundation
import TestSupport
import Testing

@testable import Stages

/// Every record of `text` in a file of that name, as JSON lines.
private func read(
  _ text: Data, as name: String, encoding: FileEncoding = .auto, format: RecordFormat = .auto
) throws -> [String] {
  let folder = try ScratchFolder()
  let file = try TextFile(folder.write(text, to: name), encoding: encoding)
  return try records(of: file, format: format).map { $0.value.text() }
}

private func read(_ text: String, as name: String, format: RecordFormat = .auto) throws -> [String] {
  try read(Data(text.utf8), as: name, format: format)
}

@Suite struct RecordsTests {
  @Test func `CSV keeps quotes, line breaks and commas inside quoted fields`() throws {
    let text = "a,b\r\n\"x, \"\"y\"\"\",\"one\r\ntwo\"\r\n\r\n1,\n"
    #expect(try read(text, as: "a.csv") == [#"{"a":"x, \"y\"","b":"one\r\ntwo"}"#, #"{"a":"1","b":""}"#])
  }

  @Test func `the same Korean table reads the same in every encoding that spreadsheets write`() throws {
    let text = "질문,답\r\n\"뭐가 옳을까?\",먹이양\r\n"
    let expected = [#"{"질문":"뭐가 옳을까?","답":"먹이양"}"#]
    let utf16 = text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let bigEndian = text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
    // From Python: text.encode("cp949")
    let cp949: [UInt8] =
      [0xC1, 0xFA, 0xB9, 0xAE, 0x2C, 0xB4, 0xE4, 0x0D, 0x0A, 0x22, 0xB9, 0xB9, 0xB0, 0xA1, 0x20, 0xBF, 0xC7]
      + [0xC0, 0xBB, 0xB1, 0xEE, 0x3F, 0x22, 0x2C, 0xB8, 0xD4, 0xC0, 0xCC, 0xBE, 0xE7, 0x0D, 0x0A]
    #expect(try read(Data(text.utf8), as: "a.csv") == expected)
    #expect(try read(Data([0xEF, 0xBB, 0xBF] + text.utf8), as: "a.csv") == expected)
    #expect(try read(Data([0xFF, 0xFE] + utf16), as: "a.csv") == expected)
    #expect(try read(Data([0xFE, 0xFF] + bigEndian), as: "a.csv") == expected)
    #expect(try read(Data(utf16), as: "a.csv") == expected)
    #expect(try read(Data(cp949), as: "a.csv") == expected)
    let folder = try ScratchFolder()
    #expect(try TextFile(folder.write(Data(cp949), to: "a.csv")).encoding == "CP949")
  }

  @Test func `a byte that does not decode is named with its line`() async {
    let damaged = Data("질문\n먹".utf8) + [0xFF] + Data("이양\n".utf8)
    #expect(
      await failure { try read(damaged, as: "a.csv") }.hasPrefix(
        "a.csv:2: error: byte 4 of the line (0xFF, byte 11 of the file)"))
    #expect(
      await failure { try read(Data([0xB8, 0xD4, 0x0A, 0xB8]), as: "b.csv", encoding: .cp949) }
        .hasPrefix("b.csv:2: error: byte 1 of the line"))
  }

  @Test(arguments: [
    (#"[{"a":1}, {"a":2}]"#, "x"), (#"{"data": [{"a":1},{"a":2}], "version": "1"}"#, "x"),
    ("{\"a\":1}\n\n{\"a\":2}\n", "x"), ("{\"a\":1}\r\n{\"a\":2}", "a.jsonl"),
  ])
  func `records come from a list, an object with a list, or lines`(text: String, name: String) throws {
    #expect(try read(text, as: name) == [#"{"a":1}"#, #"{"a":2}"#])
  }

  @Test(arguments: [
    ("{\"a\":1}\n{\"한글\": tru}\n", "a.jsonl", "a.jsonl:2:8: error: found \"tru}\", expected true"),
    ("[\n {\"a\":1}\n {\"a\":2}]", "a.json", "a.json:3:2: error: found \"{\\\"a\\\":2}]\", expected `,` or `]`"),
    ("{\"a\":\"x\n", "a.jsonl", "a.jsonl:1:6: error: found a string that does not end, expected its closing quote"),
    ("[1]", "a.json", "a.json:1: error: record 1: expected an object, found a number"),
    (
      "{\"a\":[{}],\"b\":[{}]}", "a.json",
      "a.json:1: error: the object has several lists (`a`, `b`); name one: `columns: {records: …}`"
    ),
    ("a,b\n1,2\n1,2,3\n", "a.csv", "a.csv:3: error: record 2: 3 fields, expected 2 as in the header"),
    ("a,b\n1,\"2\n", "a.csv", "a.csv:2: error: the quote that opens a field on this line is never closed"),
    ("", "a.csv", "a.csv:1: error: the file is empty, expected a header"),
  ])
  func `broken files are reported by place`(text: String, name: String, message: String) async {
    #expect(await failure { try read(text, as: name) } == message)
  }

  @Test func `a missing column names the header and a near name`() async throws {
    let folder = try ScratchFolder()
    let file = try TextFile(folder.write("qestion,answer\nx,y\n", to: "a.csv"))
    let record = try #require(try records(of: file).first)
    #expect(
      await failure { try Columns([:]).text("question", in: record) }
        == "a.csv:1: error: no column `question`; the header has `qestion`, `answer`; did you mean `qestion`?; "
        + "map it with `columns: {question: …}`")
    #expect(try Columns(["question": "qestion"]).text("question", in: record) == "x")
  }

  @Test func `a dotted path reaches into records, and an empty text names its record`() async throws {
    let folder = try ScratchFolder()
    let file = try TextFile(folder.write(#"[{"input":{"q":["x"]}},{"input":{"q":[" "]}}]"#, to: "a.json"))
    let both = try records(of: file)
    let columns = Columns(["query": "input.q.0"])
    #expect(try columns.text("query", in: both[0]) == "x")
    #expect(
      await failure { try columns.text("query", in: both[1]) } == "a.json:1: error: record 2: `input.q.0` is empty")
  }

  @Test func `groups and scores read back what was written, to the bit`() async throws {
    let folder = try ScratchFolder()
    let group = QueryGroup(
      id: "q1", query: "먹이\u{1112}\u{1161}\"\n", positives: [Passage(id: "p1", text: "양")],
      negatives: [Passage(id: "p2", text: "량")], type: "선택형")
    try QueryGroup.write([group], to: folder.url.appending(path: "g"))
    #expect(try QueryGroup.read(folder.url.appending(path: "g")) == [group])
    let candidate = Candidate(passage: Passage(id: "p1", text: "양"), isPositive: true, source: .positive)
    let list = ScoredList(
      id: "q1", query: "q",
      candidates: [ScoredCandidate(candidate: candidate, logit: -3.1, score: 1e-7)], type: nil)
    try ScoredList.write([list], to: folder.url.appending(path: "s"))
    #expect(
      try String(contentsOf: folder.url.appending(path: "s"), encoding: .utf8)
        == #"{"id":"q1","query":"q","candidates":[{"id":"p1","text":"양","label":1,"source":"positive","logit":-3.1,"score":1e-07}]}"#
        + "\n")
    #expect(try ScoredList.read(folder.url.appending(path: "s")) == [list])
    let bad = try folder.write(#"{"id":"q1","query":"q","positives":[],"negative":[]}"#, to: "bad")
    #expect(
      await failure { try QueryGroup.read(bad) }
        == "bad:1: error: record 1: unknown key `negative`, known are `id`, `query`, `positives`, `negatives`, `type`, `source`, `grades`; "
        + "did you mean `negatives`?")
  }
}
