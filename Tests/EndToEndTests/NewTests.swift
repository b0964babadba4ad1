/// `retort new` on data of every form under Korean headers: what it takes it for, and that its pipeline runs.
import Foundation
import Testing

/// `retort new --json`.
private struct Look: Decodable {
  struct File: Decodable { var encoding: String, format: String, records: Int }
  struct Recognition: Decodable { var role: String, column: String }
  struct Counts: Decodable, Equatable { var groups: Int, positives: Int, negatives: Int, passages: Int }
  struct Group: Decodable, Equatable {
    var query: String, positives: [String], negatives: [String]
    var found: [String]?
  }
  var files: [File]
  var form: String
  var columns: [Recognition]
  var passageColumns: [Recognition]
  var counts: Counts
  var examples: [Group]
  var warnings: [String]
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

  /// Rules of which several have one number, with examples.
  private var ruleBook: String {
    "["
      + numbers.map {
        #"{"category": "규정", "rule_id": "제\#($0 / 2)항", "title": "\#(words[$0]) 규정", "description": "\#(passage($0))", "#
          + #""examples": ["\#(words[$0])"], "notes": [{"title": "덧붙임", "content": "\#(words[$0])의 덧붙임이다"}]}"#
      }.joined(separator: ",\n") + "]"
  }

  @Test func `weak gold in lists of ranked rules, beside a book without ids, trains and is tested`() async throws {
    func ranked(_ number: Int) -> String {
      [number, (number + 1) % 8].enumerated().map { rank, rule in
        #"{"rank": \#(rank + 1), "rule_id": "제\#(rule / 2)항", "category": "규정", "title": "\#(words[rule]) 규정", "#
          + #""description": "\#(passage(rule))", "context_ppl": \#(rank).5}"#
      }.joined(separator: ", ")
    }
    let questions = numbers.map {
      #"{"Question_ID": "\#($0)", "Question": "다음 중 알맞은 것을 고르시오.\n\#(query($0))", "Answer": "\#(words[$0])가 옳다.", "#
        + #""Top-3_Lowest_context_PPL": [\#(ranked($0))]}"#
    }
    let project = try Project(data: [
      "qa.json": "[\(questions.joined(separator: ",\n"))]", "book.json": ruleBook,
    ])
    let look = try await look(project, "qa.json", "book.json")
    #expect(look.form == "questions" && look.column("rule") == "Top-3_Lowest_context_PPL.0.title")
    #expect(look.passageColumns.contains { $0.role == "id" && $0.column == "" })
    #expect(look.passageColumns.contains { $0.role == "title" && $0.column == "title" })
    #expect(look.counts == .init(groups: 8, positives: 8, negatives: 0, passages: 8))
    #expect(look.examples[0] == .init(query: query(0), positives: ["\(words[0]) 규정. \(passage(0))"], negatives: []))
    let written = try project.read(look.output)
    #expect(written.contains("rewrite: true") && written.contains("passage_template: \"{title}. {text}\""))
    #expect(written.contains("{examples: examples: | / }{notes.*.content: | }"))
    try await run(look, to: "student-test", in: project)
    try await run(look, to: "teacher-test", in: project)

    // Flags are done, or said why not.
    let byText = "Top-3_Lowest_context_PPL.1.description"
    let second = try await self.look(
      project, "qa.json", "book.json", "--force", "--columns", "rule=\(byText)", "--passage-columns", "id=")
    #expect(second.column("rule") == byText && second.examples[0].positives == ["\(words[1]) 규정. \(passage(1))"])
    for (flags, message) in [
      (["--columns", "rule=Answer"], "`--columns rule=Answer`: none of its 8 values looked at"),
      (["--columns", "rule=Answr"], "no record of qa.json and book.json has that; did you mean `Answer`?"),
      (["--columns", "rule=Top-3_Lowest_context_PPL"], "as `Top-3_Lowest_context_PPL.0.title`"),
      (["--columns", "type=Typ"], "no record has `Typ`, which `columns` gives for `type`"),
      (["--passage-columns", "id=rule_id"], "`rule_id` cannot be the column of ids"),
    ] {
      let ended = try await project.run(retortProgram, ["new", "--force", "qa.json", "book.json"] + flags)
      #expect(ended.code == 2 && ended.errors.contains(message), "\(ended.errors)")
    }
  }

  /// The hits of a stage of the latest run, best first, by the query's id.
  private func rankings(_ stage: String, in project: Project) async throws -> [String: [String]] {
    struct Shown: Decodable {
      struct Output: Decodable { var path: String }
      struct Stage: Decodable { var name: String, outputs: [String: Output] }
      var stages: [Stage]
    }
    struct Hit: Decodable { var id: String, rank: Int, title: String?, text: String, score: Float }
    let shown = try await project.retort("show", "latest", "--json").decoded(Shown.self)
    let path = try #require(shown.stages.first { $0.name == stage }?.outputs["ranking"]?.path)
    let hits = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      try JSONDecoder().decode(Hit.self, from: Data($0.utf8))
    }
    return Dictionary(grouping: hits, by: \.id).mapValues { $0.sorted { $0.rank < $1.rank }.map(\.text) }
  }

  @Test func `questions with answers and no gold beside a book are all searched for, and nothing is trained`()
    async throws
  {
    let questions = numbers.map {
      #"{"id": "\#($0)", "input": {"question_type": "선택형", "question": "다음 중 알맞은 것을 고르시오.\n\#(query($0))"}, "#
        + #""output": {"answer": "\#(words[$0])가 옳다."}}"#
    }
    let project = try Project(data: [
      "train.json": "[\(questions.joined(separator: ",\n"))]", "book.json": ruleBook,
    ])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let said = try await project.retort("new", "train.json", "book.json", "--output", "said.yaml")
    #expect(said.output.contains("there is no gold. Nothing in train.json says which passage of book.json answers"))
    #expect(said.output.contains("`output.answer` holds answers"))
    let look = try await look(project, "book.json", "train.json", "--model", "model")
    #expect(look.form == "queries" && look.counts == .init(groups: 8, positives: 0, negatives: 0, passages: 8))
    #expect(look.examples.map(\.found?.first) == (0..<3).map(passage))
    let written = try project.read(look.output)
    #expect(written.contains("rewrite: true") && !written.contains("uses: groups"))
    let ended = try await project.retort("run", look.output)
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    // Each question's word stands in its own rule alone.
    let found = try await rankings("bm25-ranking", in: project)
    #expect(found.mapValues(\.first) == Dictionary(uniqueKeysWithValues: numbers.map { ("\($0)", passage($0)) }))
    #expect(try await rankings("model-ranking", in: project).mapValues(\.count) == found.mapValues { _ in 8 })
    let exported = try await project.retort("export", "latest", "bm25-ranking", "out")
    #expect(exported.code == 0)
    let lines = try project.read("out/ranking.jsonl").split(separator: "\n")
    #expect(lines.count == 64)

    try project.write("id,질문\n" + numbers.map { "\($0),\(query($0))\n" }.joined(), to: "test.csv")
    #expect(try await self.look(project, "test.csv", "book.json").form == "queries")
    let refused = try await project.retort("new", "test.csv", "book.json", "--force", "--columns", "type=질문")
    #expect(refused.code == 2 && refused.errors.contains("to which `--columns type=질문` says nothing"))
    let threshold = try await project.retort("new", "test.csv", "book.json", "--force", "--label-threshold", "3")
    #expect(threshold.code == 2 && threshold.errors.contains("to which `--label-threshold 3.0` says nothing"))
  }

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: malpyeong.path),
      "needs the first users' files in ../shared/data/malpyeong"))
  func `rules are found for all of the first users' questions without gold`() async throws {
    let project = try Project()
    let paths = ["korean_language_rag_V1.0_train.json", "GrammarBook_structured.json"].map {
      Self.malpyeong.appending(path: $0).path
    }
    let look = try await look(project, paths[0], paths[1], "--output", "p.yaml")
    #expect(look.form == "queries" && look.column("query") == "input.question")
    #expect(look.counts == .init(groups: 622, positives: 0, negatives: 0, passages: 115))
    let ended = try await project.retort("run", look.output)
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    let found = try await rankings("bm25-ranking", in: project)
    #expect(found.keys.sorted() == (1...622).map(String.init).sorted())
    #expect(found.values.allSatisfy { $0.count == 10 && Set($0).count == 10 })
  }

  @Test func `gold in a part of the records is found, and the rest left out`() async throws {
    let questions = (0..<24).map {
      #"{"질문": "\#($0)번: \#(query($0 % 8))""# + ($0 % 3 == 0 ? #", "근거": "\#(words[$0 % 8]) 규정"}"# : "}")
    }
    let project = try Project(data: [
      "qa.json": "[\(questions.joined(separator: ",\n"))]", "book.json": ruleBook,
    ])
    let look = try await look(project, "qa.json", "book.json")
    #expect(look.column("rule") == "근거" && look.counts.groups == 8)
    #expect(look.warnings.contains { $0.contains("left out 16 records that name no passage") })
  }

  private static let malpyeong = checkout.deletingLastPathComponent().appending(path: "shared/data/malpyeong")

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: malpyeong.path),
      "needs the first users' files in ../shared/data/malpyeong"),
    arguments: [
      ("qa_train.json", "Top-3_Lowest_context_PPL.0.title", 101),
      ("highest_delta_ppl_results(kanana_basic_top5).json", "Top-3_Highest_delta_PPL.0.title", 126),
    ])
  func `the first users' files are understood as they are, and their pipeline runs`(
    file: String, rule: String, count: Int
  ) async throws {
    let project = try Project()
    let paths = [file, "GrammarBook_structured.json"].map { Self.malpyeong.appending(path: $0).path }
    let look = try await look(project, paths[0], paths[1], "--output", "p.yaml")
    #expect(look.column("rule") == rule && look.column("query") == "Question")
    #expect(look.counts == .init(groups: count, positives: count, negatives: 0, passages: 115))
    let short = ["teacher", "student"].flatMap { ["--set", "stages.\($0).with.epochs=1"] }
    let ended = try await project.run(retortProgram, ["run", look.output] + short)
    #expect(ended.code == 0 && ended.output.contains("student-test"), "\(ended.output)\(ended.errors)")
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
    #expect(try await project.retort("new", "few.csv").errors.contains("at least 5 queries; there are 2"))
    #expect(try await project.retort("new", "nowhere.csv").errors.contains("there is no file nowhere.csv"))
    #expect(try await project.retort("new", "data.csv", "--columns", "queri=a").errors.contains("did you mean `query`"))
  }
}
