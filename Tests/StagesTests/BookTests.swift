/// Books whose ids repeat, gold inside lists and gaps in it, passages made of several fields.
import Foundation
import Pipelines
import Testing

@testable import Stages

/// Two rules of one number, of which each has its own title and list.
private let book = """
  [{"rule_id": "제1항", "title": "준말", "description": "줄여 적는다.", "examples": ["가", "나"]},
   {"rule_id": "제1항", "title": "띄어쓰기", "description": "띄어 쓴다.", "subrules": [{"d": "하나"}, {"d": ""}, {"d": "둘"}]},
   {"rule_id": "제2항", "title": "된소리", "description": "된소리로 적는다.", "examples": []}]
  """

private func lists(_ titles: [String]) -> String {
  "[" + titles.map { "{\"rule_id\": \"제1항\", \"title\": \"\($0)\"}" }.joined(separator: ", ") + "]"
}

@Suite struct BookTests {
  private let text: [String: ParameterValue] = ["passage_columns": .map(["text": .string("description")])]

  private func run(
    _ questions: String, _ book: String = book, with parameters: [String: ParameterValue] = [:]
  ) async throws -> (groups: [QueryGroup], corpus: [Passage], messages: [String]) {
    let run = try StageRun()
    try run.folder.write(questions, to: "q.json")
    try run.folder.write(book, to: "book.json")
    try await run.run(
      MakeGroups.self, inputs: ["data": "q.json", "passages": "book.json"],
      with: text.merging(parameters) { $1 })
    return (
      try QueryGroup.read(run.folder.url.appending(path: "groups")),
      try Passage.read(run.folder.url.appending(path: "corpus")), run.messages
    )
  }

  @Test func `a column that repeats with other texts is not taken for ids, and that is said`() async throws {
    let ran = try await run(#"[{"query": "q", "rule": "띄어쓰기"}]"#)
    #expect(ran.groups.map(\.positives) == [[Passage(id: "p2", text: "띄어 쓴다.")]])
    #expect(
      ran.messages.contains {
        $0.contains("`rule_id` of book.json is not taken for the column of ids: `제1항`, again in record 2")
          && $0.contains("--passage-columns id=")
      })
  }

  @Test func `a column that was said to be the ids and repeats is an error that names it and the flag`() async {
    let columns = ParameterValue.map(["text": .string("description"), "id": .string("rule_id")])
    let message = await failure {
      try await run(#"[{"query": "q", "rule": "된소리"}]"#, with: ["passage_columns": columns])
    }
    #expect(message.hasPrefix("book.json:2: error: record 2: the id `제1항` occurs with two different texts"))
    #expect(message.contains("`rule_id` cannot be the column of ids") && message.contains("--passage-columns id="))
  }

  @Test func `ids that repeat with equal texts are ids`() async throws {
    let book = """
      [{"id": "a", "text": "하나"}, {"id": "b", "text": "둘"}, {"id": "a", "text": "\("하나".decomposedStringWithCanonicalMapping)"}]
      """
    let ran = try await run(#"[{"query": "q", "rule": "a"}]"#, book, with: ["passage_columns": .map([:])])
    #expect(ran.corpus.map(\.id) == ["a", "b"])
  }

  @Test func `titles that are the ids are still titles`() async throws {
    let columns = ParameterValue.map(["text": .string("description"), "id": .string("title")])
    let ran = try await run(
      #"[{"query": "q", "rule": "된소리"}]"#,
      with: ["passage_columns": columns, "passage_template": .string("{title}: {text}")])
    #expect(ran.groups.map(\.positives) == [[Passage(id: "된소리", text: "된소리: 된소리로 적는다.")]])
  }

  @Test(arguments: [
    ("found.0.title", ["p2"]), ("found.*.title", ["p2", "p1"]), ("found.1.title", ["p1"]),
  ])
  func `paths into lists name the first passage, all, or any`(path: String, ids: [String]) async throws {
    let questions = "[{\"query\": \"q\", \"found\": \(lists(["띄어쓰기", "준말"]))}]"
    let ran = try await run(questions, with: ["columns": .map(["rule": .string(path)])])
    #expect(ran.groups.map { $0.positives.map(\.id) } == [ids])
  }

  @Test(arguments: ["제1", "첫째", "가를 쓴다."])
  func `gold names a passage by id, title or text`(name: String) async throws {
    let book = #"[{"id": "제1", "title": "첫째", "description": "가를 쓴다."}, {"id": "제2", "description": "나."}]"#
    let ran = try await run("[{\"query\": \"q\", \"rule\": \"\(name)\"}]", book)
    #expect(ran.groups.map(\.positives) == [[Passage(id: "제1", text: "가를 쓴다.")]])
  }

  @Test func `a title of two passages names neither`() async {
    let book = #"[{"id": "1", "title": "t", "description": "a"}, {"id": "2", "title": "t", "description": "b"}]"#
    #expect(
      await failure { try await run(#"[{"query": "q", "rule": "t"}]"#, book) }
        == "q.json:1: error: record 1: several passages go by `t`; name them by id")
  }

  @Test func `objects where names are due say which path to write`() async {
    let message = await failure { try await run("[{\"query\": \"q\", \"rule\": \(lists(["준말"]))}]") }
    #expect(message.contains("`rule` holds objects") && message.contains("`columns: {rule: rule.0.title}`"))
  }

  @Test func `records without gold are counted and left out, or an error`() async throws {
    let questions =
      #"[{"query": "a", "rule": null}, {"query": "b"}, {"query": "c", "rule": ""}, {"query": "d", "rule": []}, "#
      + #"{"query": "e", "rule": ["준말", "없다"]}, {"query": "f", "rule": "없다"}]"#
    let ran = try await run(questions)
    #expect(ran.groups.map(\.query) == ["e"])
    #expect(ran.messages.contains { $0.contains("left out 4 records that name no passage, the first at") })
    #expect(ran.messages.contains { $0.contains("left out 2 references to what is not there") })
    #expect(
      await failure { try await run(questions, with: ["missing_gold": .string("error")]) }
        == "q.json:1: error: record 1: `rule` is empty")
    #expect(
      await failure { try await run(questions, with: ["missing_passages": .string("error")]) }
        == "q.json:1: error: record 5: there is no passage `없다`")
  }

  @Test func `passages with equal texts are one, whichever of their ids is named`() async throws {
    let book = #"[{"id": "1", "text": "é"}, {"id": "2", "text": "e\u0301"}, {"id": "3", "text": "e"}]"#
    let ran = try await run(
      #"[{"query": "a", "rule": "2"}, {"query": "b", "rule": "1"}]"#, book, with: ["passage_columns": .map([:])])
    #expect(ran.corpus.map(\.id) == ["1", "3"])
    #expect(ran.groups.map { $0.positives.map(\.id) } == [["1"], ["1"]])
    #expect(ran.messages.contains { $0.contains("1 passages repeat the text of another") })
  }

  @Test(arguments: [
    (
      ["rule": "rule", "type": "유형"],
      "no record has `유형`, which `columns` gives for `type`; the first has `query`, `rule`, `l`"
    ),
    (
      ["label": "l"],
      "`columns` gives `label: l`, which is not asked for in data of the form questions; leave it out"
    ),
  ])
  func `a name that is of no use is an error`(columns: [String: String], message: String) async {
    let questions = #"[{"query": "q", "rule": "준말", "l": 1}]"#
    let parameters: [String: ParameterValue] = ["columns": .map(columns.mapValues { .string($0) })]
    #expect(await failure { try await run(questions, with: parameters) } == "q.json: error: \(message)")
  }

  @Test func `a passage is made of several fields, and what is missing takes its prefix along`() async throws {
    let template = ParameterValue.string("{description}{examples: 예: | / }{subrules.*.d: | }")
    let ran = try await run(#"[{"query": "q", "rule": "준말"}]"#, with: ["passage_template": template])
    #expect(ran.corpus.map(\.text) == ["줄여 적는다. 예: 가 / 나", "띄어 쓴다. 하나 둘", "된소리로 적는다."])
  }

  @Test func `a query is made of several fields of its record`() async throws {
    let ran = try await run(
      #"[{"query": "q", "rule": "준말", "input": {"kind": "선택형"}}]"#,
      with: ["query_template": .string("[{input.kind}] {text}")])
    #expect(ran.groups.map(\.query) == ["[선택형] q"])
  }

  @Test func `a field that no record has is an error with its place`() async {
    #expect(
      await failure {
        try await run(
          #"[{"query": "q", "rule": "준말"}]"#, with: ["passage_template": .string("{text} {exampels}")])
      }
        == "book.json: error: `passage_template` has, as character 8, the field `{exampels}`, which no record has; the first "
        + "has `rule_id`, `title`, `description`, `examples`; did you mean `examples`?")
    let message = await failure {
      try await run(#"[{"query": "q", "rule": "준말"}]"#, with: ["passage_template": .string("{text}{subrules}")])
    }
    #expect(message.contains("`subrules`, character 7 of `passage_template`, holds objects"))
    #expect(message.contains("`subrules.*.NAME`"))
  }

  @Test(arguments: [
    ("{text}", "T"), ("a{{{text}}}b", "a{T}b"), ("{text:<}", "<T"), ("{none:<|>}{text}", "T"), ("{list}", "x y"),
    ("{list:|, }", "x, y"), (#"{list:\|\}|\|}"#, "|}x|y"), (#"\{text}"#, #"\T"#), ("{title} {text}", "T"),
    ("{title}. {text}", ". T"), (#"{list:\\| : }"#, #"\x : y"#),
  ])
  func `templates know braces, prefixes, separators and escapes`(pattern: String, text: String) throws {
    let values = ["text": ["T"], "list": ["x", "y"]]
    #expect(try Template(pattern).fill { values[$0.path] ?? [] } == text)
  }

  @Test(arguments: [
    ("{text", "as character 1, a `{` that no `}` closes"), ("text}", "as character 5, a `}` that closes nothing"),
    ("가{}", "as character 2, a field without a name"), ("{a{text}", "as character 3, a `{` within a field"),
    ("text", "must contain a field"),
  ])
  func `a template that is malformed is told when planning, with its character`(pattern: String, message: String) {
    let problems = Template.problems(pattern, named: "passage_template")
    #expect(problems.count == 1 && problems[0].contains(message), "\(problems)")
  }
}
