/// `retort new` on data of every form under Korean headers: what it takes it for, and that its pipeline runs.
import Foundation
import Testing

/// `retort new --json`.
private struct Look: Decodable {
  struct File: Decodable { var encoding: String, format: String, records: Int }
  struct Recognition: Decodable { var role: String, column: String }
  struct Counts: Decodable, Equatable { var groups: Int, positives: Int, negatives: Int, passages: Int }
  struct Group: Decodable, Equatable { var query: String, positives: [String], negatives: [String] }
  var files: [File]
  var form: String
  var columns: [Recognition]
  var passageColumns: [Recognition]
  var counts: Counts
  var examples: [Group]
  var output: String

  func column(_ role: String) -> String? { columns.first { $0.role == role }?.column }
}

private let words = ["어깨", "으뜸", "소쩍새", "부썩", "아끼다", "거꾸로", "산뜻하다", "깍두기"]
private func query(_ number: Int) -> String { "\(words[number])는 어떻게 적나요?" }
private func passage(_ number: Int) -> String { "\(words[number % 8])라고 적는 것이 옳다는 규정이다" }
private let numbers = words.indices

@Suite struct NewTests {
  private func look(_ project: Project, _ arguments: String...) async throws -> Look {
    let ended = try await project.run(retortProgram, ["new", "--json"] + arguments)
    guard ended.code == 0 else { throw UnexpectedEnd(ended: ended) }
    let look = try ended.decoded(Look.self)
    let valid = try await project.retort("validate", look.output)
    #expect(valid.code == 0, "\(valid.errors)")
    return look
  }

  /// Runs the pipeline up to the stage.
  private func run(_ look: Look, to stage: String, in project: Project) async throws {
    let ended = try await project.retort("run", look.output, stage)
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
  }

  private let first = Look.Group(query: query(0), positives: [passage(0)], negatives: [passage(1)])

  @Test func `pairs in CP949, and the whole pipeline runs`() async throws {
    let project = try Project()
    let rows = numbers.flatMap { [(query($0), passage($0), 1), (query($0), passage($0 + 1), 0)] }
    let table =
      "id,질문 내용,답변 본문,정답 여부\r\n" + rows.enumerated().map { "\($0),\($1.0),\($1.1),\($1.2)\r\n" }.joined()
    try project.write(table, to: "utf8.csv")
    let converted = try await project.run(
      URL(filePath: "/usr/bin/env"), ["iconv", "-f", "UTF-8", "-t", "CP949", "-o", "쌍.csv", "utf8.csv"])
    try #require(converted.code == 0)
    let look = try await look(project, "쌍.csv")
    #expect(look.form == "pairs" && look.output == "쌍.yaml")
    #expect(look.files[0].encoding == "CP949" && look.files[0].records == 16)
    #expect(look.column("query") == "질문 내용" && look.column("passage") == "답변 본문")
    #expect(look.column("label") == "정답 여부" && look.column("id") == "")
    #expect(look.counts == .init(groups: 8, positives: 8, negatives: 8, passages: 8))
    #expect(look.examples.count == 3 && look.examples[0] == first)
    try await run(look, to: "normalized", in: project)
    try await run(look, to: "student-test", in: project)
    try await run(look, to: "teacher-test", in: project)
  }

  @Test func `tuples with numbered columns, and nested ones`() async throws {
    let table =
      "질의\t정답 문서\t오답1\t오답2\n"
      + numbers.map { "\(query($0))\t\(passage($0))\t\(passage($0 + 1))\t\(passage($0 + 2))\n" }.joined()
    let lines = numbers.map {
      #"{"input": {"물음": "\#(query($0))"}, "정답문서": [{"id": "a\#($0)", "text": "\#(passage($0))"}], "#
        + #""오답문서": ["\#(passage($0 + 1))"]}"# + "\n"
    }.joined()
    let project = try Project(data: ["열.tsv": table, "줄.jsonl": lines])
    let flat = try await look(project, "열.tsv")
    #expect(flat.form == "tuples" && flat.column("negative") == "오답" && flat.counts.negatives == 16)
    #expect(flat.examples[0].negatives == [passage(1), passage(2)])
    try await run(flat, to: "candidates", in: project)

    let nested = try await look(project, "줄.jsonl")
    #expect(nested.form == "tuples" && nested.column("query") == "input.물음" && nested.examples[0] == first)
    try await run(nested, to: "candidates", in: project)
  }

  @Test func `questions and the book that they refer to, in whichever order, by values`() async throws {
    let questions = "문항,어느 규정\n" + numbers.map { "\(query($0)),제\($0)항\n" }.joined()
    let book = "조항,표제어,적을 것\n" + numbers.map { "제\($0)항,\(words[$0]),\(passage($0))\n" }.joined()
    let project = try Project(data: ["시험.csv": questions, "규정집.csv": book])
    for arguments in [["시험.csv", "규정집.csv"], ["규정집.csv", "시험.csv", "--output", "b.yaml"]] {
      let ended = try await project.run(retortProgram, ["new", "--json"] + arguments)
      let look = try ended.decoded(Look.self)
      #expect(look.form == "questions" && look.column("rule") == "어느 규정" && look.column("query") == "문항")
      #expect(look.passageColumns.map(\.role).sorted() == ["id", "text", "title"])
      #expect(look.counts == .init(groups: 8, positives: 8, negatives: 0, passages: 8))
      try await run(look, to: "candidates", in: project)
    }
  }

  @Test func `folders: BEIR's, and one of divided pairs`() async throws {
    let project = try Project(data: [
      "beir/corpus.jsonl": numbers.map { #"{"_id": "d\#($0)", "title": "", "text": "\#(passage($0))"}"# + "\n" }
        .joined(),
      "beir/queries.jsonl": numbers.map { #"{"_id": "q\#($0)", "text": "\#(query($0))"}"# + "\n" }.joined(),
      "beir/qrels/test.tsv": "query-id\tcorpus-id\tscore\n" + numbers.map { "q\($0)\td\($0)\t1\n" }.joined(),
      "나눔/v1/train.csv": "질문,본문\n" + numbers.map { "\(query($0)),\(passage($0))\n" }.joined(),
      "나눔/v1/test.csv": "질문,본문\n" + numbers.map { "\(query($0)),\(passage($0))\n" }.joined(),
    ])
    let beir = try await look(project, "beir")
    #expect(beir.form == "beir" && beir.counts == .init(groups: 8, positives: 8, negatives: 0, passages: 8))
    try await run(beir, to: "candidates", in: project)
    let divided = try await look(project, "나눔")
    #expect(divided.form == "preprocessed" && divided.column("passage") == "본문")
    try await run(divided, to: "candidates", in: project)
    try await run(divided, to: "test-groups", in: project)
  }

  @Test func `the data that ships is understood, and a base model takes the place of init`() async throws {
    let project = try Project()
    try project.copy("pipelines/data", to: "data")
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    try FileManager.default.createDirectory(
      at: project.root.appending(path: "pipelines"), withIntermediateDirectories: true)
    let look = try await look(project, "data/qa.json", "data/grammar_book.json", "--model", "model")
    #expect(look.output == "pipelines/qa.yaml" && look.counts.groups == 1179 && look.counts.passages == 115)
    let written = try project.read(look.output)
    #expect(written.contains("base: ../model") && !written.contains("uses: init"))
    #expect(written.hasPrefix("# yaml-language-server: $schema=../.retort/schema.json\n"))
    let schema = checkout.appending(path: "Tests/Fixtures/schema/check.py").path
    let checked = try await project.run(
      URL(filePath: "/usr/bin/env"), ["python3", schema, ".retort/schema.json", look.output])
    #expect(try checked.decoded([String: [String]].self) == [look.output: []])
  }

  @Test func `what it cannot tell it says, with what it looked for, and a hint helps`() async throws {
    let table = "a,b,c\n" + numbers.map { "\(query($0)),\(passage($0)),\(words[$0]) 낱말\n" }.joined()
    let project = try Project(data: ["data.csv": table])
    let ended = try await project.retort("new", "data.csv")
    #expect(ended.code == 2 && ended.output.contains("data.csv: CSV, UTF-8, 8 records"))
    for part in ["`a`, `b`, `c`", "`질문`", "--columns query="] { #expect(ended.errors.contains(part)) }
    // Names of passages are no passages.
    try project.write("질문,근거 조항\n" + numbers.map { "\(query($0)),제\($0)항\n" }.joined(), to: "names.csv")
    let names = try await project.retort("new", "names.csv")
    #expect(names.code == 2 && names.errors.contains("It names passages in `근거 조항`: name the file"))
    let look = try await look(project, "data.csv", "--columns", "query=a", "--columns", "passage=b")
    #expect(look.form == "pairs" && look.counts.groups == 8)
  }

  @Test func `it replaces no file unless told to, and names what is wrong with data`() async throws {
    let project = try Project(data: [
      "data.csv": "query,passage\n" + numbers.map { "\(query($0)),\(passage($0))\n" }.joined(),
      "data.yaml": "mine", "broken.csv": "query,passage\na,b,c\n", "few.csv": "query,passage\na b,c d\ne f,g h\n",
    ])
    let refused = try await project.retort("new", "data.csv")
    #expect(refused.code == 2 && refused.errors.contains("--force"))
    #expect(try project.read("data.yaml") == "mine")
    #expect(try await project.retort("new", "data.csv", "--force").code == 0)
    let broken = try await project.retort("new", "broken.csv")
    #expect(broken.code == 2 && broken.errors.contains("broken.csv:2: error: record 1: 3 fields"))
    #expect(try await project.retort("new", "few.csv").errors.contains("2 queries are too few"))
    #expect(try await project.retort("new", "nowhere.csv").errors.contains("there is no file nowhere.csv"))
    #expect(try await project.retort("new", "data.csv", "--columns", "queri=a").errors.contains("did you mean `query`"))
  }
}
