import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct GroupsTests {
  private func groups(
    _ files: [String: String], data: String = "data", passages: String? = nil,
    with parameters: [String: ParameterValue] = [:]
  ) async throws -> [String] {
    let run = try StageRun()
    for (name, text) in files { try run.folder.write(text, to: name) }
    var inputs = ["data": data]
    inputs["passages"] = passages
    try await run.run(MakeGroups.self, inputs: inputs, with: parameters)
    return try run.lines("groups")
  }

  @Test func `labelled pairs gather by query, under any headers`() async throws {
    let table = "질문,지문,정답,번호\nq,맞다,1,7\nq,아니다,0,7\nr,맞다,1.0,8\n"
    #expect(
      try await groups(["data": table], with: ["columns": .map(["id": .string("번호"), "label": .string("정답")])]) == [
        #"{"id":"7","query":"q","positives":[{"id":"p1","text":"맞다"}],"negatives":[{"id":"p2","text":"아니다"}]}"#,
        #"{"id":"8","query":"r","positives":[{"id":"p1","text":"맞다"}],"negatives":[]}"#,
      ])
  }

  @Test func `a header goes by one name, and an empty one takes a field away`() async throws {
    // `정답` would be a label, `id` the query's.
    let table = "id,질문,정답\n1,q,맞다\n2,q,그렇다\n"
    let columns = ["passage": ParameterValue.string("정답"), "id": .string("")]
    #expect(
      try await groups(["data": table], with: ["columns": .map(columns)]) == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"맞다"},{"id":"p2","text":"그렇다"}],"negatives":[]}"#
      ])
  }

  @Test func `tuples number their negatives under any header`() async throws {
    let table = "질문\t맞음\t오답\t오답2\t오답_3\t오답률\nq\ta\tb\tc\td\t0.5\n"
    let columns = ["positive": "맞음", "negative": "오답"].mapValues { ParameterValue.string($0) }
    #expect(
      try await groups(["data": table], with: ["columns": .map(columns), "format": .string("tuples")]) == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"a"}],"negatives":[{"id":"p2","text":"b"},"#
          + #"{"id":"p3","text":"c"},{"id":"p4","text":"d"}]}"#
      ])
  }

  @Test func `of numbered negatives the first may be all that counts`() async throws {
    let table = "anchor,positive,negative_1,negative_2\nq,a,b,c\n"
    #expect(
      try await groups(["data": table], with: ["max_negatives": .int(1)]) == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"a"}],"negatives":[{"id":"p2","text":"b"}]}"#
      ])
  }

  @Test func `the original positive is one, the best other one a negative`() async throws {
    let table = "anchor,original_positive,best_other_positive\nq,a,b\n"
    #expect(
      try await groups(["data": table]) == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"a"}],"negatives":[{"id":"p2","text":"b"}]}"#
      ])
  }

  @Test func `several files are read one after another, each in its own form`() async throws {
    let run = try StageRun()
    try run.folder.write("anchor,positive,negative_1\nq,a,b\n", to: "one_supervised.csv")
    try run.folder.write("anchor,original_positive,best_other_positive\nr,c,a\n", to: "detailed.csv")
    try await run.run(MakeGroups.self, inputs: ["data[1]": "one_supervised.csv", "data[2]": "detailed.csv"])
    #expect(
      try run.lines("groups") == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"a"}],"negatives":[{"id":"p2","text":"b"}],"source":"one_supervised.csv"}"#,
        #"{"id":"q2","query":"r","positives":[{"id":"p3","text":"c"}],"negatives":[{"id":"p1","text":"a"}],"source":"detailed.csv"}"#,
      ])
    let groups = try QueryGroup.read(run.folder.url.appending(path: "groups"))
    #expect(groups.map(\.source) == ["one_supervised.csv", "detailed.csv"])
  }

  /// Several supervised files are divided together, and the rows of the detailed file go to train only.
  @Test func `data of several files is split, and further rows are added to train only`() async throws {
    let run = try StageRun()
    for name in ["a", "b"] {
      let rows = (0..<10).map { "\(name)\($0),right \(name)\($0),wrong \(name)\($0),worse \(name)\($0)\n" }.joined()
      try run.folder.write("anchor,positive,negative_1,negative_2\n" + rows, to: "\(name)_supervised.csv")
    }
    try run.folder.write("anchor,original_positive,best_other_positive\nr,c,d\n", to: "detailed.csv")
    try await run.run(
      Split.self, inputs: ["data[1]": "a_supervised.csv", "data[2]": "b_supervised.csv"],
      with: ["eval_ratio": .double(0.1), "test_ratio": .double(0.1)])
    let tuples: [String: ParameterValue] = ["format": .string("tuples"), "max_negatives": .int(1)]
    try await run.run(MakeGroups.self, inputs: ["data[1]": "train", "data[2]": "detailed.csv"], with: tuples)
    let train = try QueryGroup.read(run.folder.url.appending(path: "groups"))
    try await run.run(MakeGroups.self, inputs: ["data": "eval"], with: tuples)
    let eval = try QueryGroup.read(run.folder.url.appending(path: "groups"))
    #expect(train.count == 17 && eval.count == 2)
    #expect(train.last?.query == "r" && train.last?.negatives.map(\.text) == ["d"])
    #expect(train.allSatisfy { $0.positives.count == 1 && $0.negatives.count == 1 })
    #expect(Set(train.map(\.query)).isDisjoint(with: eval.map(\.query)) && eval.allSatisfy { $0.source == nil })
  }

  @Test func `tuples give texts, lists of texts or objects`() async throws {
    let lines = """
      {"query":"q","positive":"a","negative_1":"b","negative_2":"c"}
      {"query":"r","positives":[{"id":"x","text":"d"}],"negatives":["b"],"type":"t"}
      """
    #expect(
      try await groups(["data": lines], with: ["passage_template": .string("passage: {title} {text}")]) == [
        #"{"id":"q1","query":"q","positives":[{"id":"p1","text":"passage: a"}],"#
          + #""negatives":[{"id":"p2","text":"passage: b"},{"id":"p3","text":"passage: c"}]}"#,
        #"{"id":"q2","query":"r","positives":[{"id":"x","text":"passage: d"}],"#
          + #""negatives":[{"id":"p2","text":"passage: b"}],"type":"t"}"#,
      ])
  }

  @Test func `a BEIR folder gives the queries of its part, with titles`() async throws {
    let files = [
      "beir/corpus.jsonl":
        "{\"_id\":\"d1\",\"title\":\"T\",\"text\":\"one\"}\n{\"_id\":\"d2\",\"title\":\"\",\"text\":\"two\"}\n",
      "beir/queries.jsonl": "{\"_id\":\"a\",\"text\":\"qa\"}\n{\"_id\":\"b\",\"text\":\"qb\"}\n",
      "beir/qrels/test.tsv": "query-id\tcorpus-id\tscore\na\td1\t2\na\td2\t0\n",
    ]
    let parameters: [String: ParameterValue] = ["part": .string("test"), "passage_template": .string("{title} {text}")]
    #expect(
      try await groups(files, data: "beir", with: parameters)
        == [#"{"id":"a","query":"qa","positives":[{"id":"d1","text":"T one"}],"negatives":[{"id":"d2","text":"two"}]}"#]
    )
    #expect(
      await failure { try await groups(files, data: "beir") }
        == "beir/qrels/train.tsv: error: there is no such file for `part: train`; the folder has test.tsv")
  }

  @Test(arguments: [
    #"[{"id":"R1","title":"준말","text":"줄여 적는다."}]"#,
    #"{"chapters":[{"name":"장","articles":[{"id":"R1","title":"준말","content":"줄여 적는다."}]}],"version":"1"}"#,
    #"{"R1":"줄여 적는다."}"#,
  ])
  func `questions name rules of a book of any shape`(book: String) async throws {
    let questions = #"[{"id":"Q1","type":"선택형","question":"무엇이 맞나?","rule":"R1"}]"#
    #expect(
      try await groups(
        ["book.json": book, "data": questions], passages: "book.json",
        with: ["query_template": .string("query: {text}")])
        == [
          #"{"id":"Q1","query":"query: 무엇이 맞나?","positives":[{"id":"R1","text":"줄여 적는다."}],"negatives":[],"type":"선택형"}"#
        ])
  }

  @Test func `a preprocessed folder is read by version and part`() async throws {
    let files = [
      "pre/supervised_only/val.csv": "question,context,label\nq,c,1\n",
      "pre/supervised_with_detailed/val.csv": "question,context,label\nq,d,1\n",
    ]
    let parameters: [String: ParameterValue] = [
      "part": .string("val"), "data_version": .string("supervised_with_detailed"),
    ]
    #expect(
      try await groups(files, data: "pre", with: parameters)
        == [#"{"id":"q1","query":"q","positives":[{"id":"p1","text":"d"}],"negatives":[]}"#])
  }

  @Test(arguments: [
    ("question,rule\nq,R2\n", "R1", "data:2: error: record 1: there is no passage `R2`; did you mean `R1`?"),
    (
      "question,rul\nq,R1\n", "R1",
      "data:1: error: no column `rule`; the header has `question`, `rul`; did you mean `rul`?; map it with `columns: {rule: …}`"
    ),
    ("question,rule\n  ,R1\n", "R1", "data:2: error: record 1: `query` is empty"),
  ])
  func `questions that cannot be read say where and why`(questions: String, rule: String, message: String) async {
    let book = #"[{"id":"\#(rule)","text":"t"}]"#
    #expect(await failure { try await groups(["data": questions, "book": book], passages: "book") } == message)
  }

  @Test(arguments: [
    ("알맞은 표현을 골라 쓰시오.\n무거운 가방을 메어 {억개/어깨}가 뻐근하다.", "무거운 가방을 메어 억개, 어깨가 뻐근하다."),
    ("상처를 세게 눌르면 아프다.\n위 문장에는 잘못이 하나 있다. 바로잡으시오.", "상처를 세게 눌르면 아프다."),
    ("‘씁슬하다’, ‘씁쓸하다’ 가운데 다음 자리에 맞는 것을 고르고 그 까닭을 설명하시오.\n끝맛이 조금 (  ).", "끝맛이 조금 (  ). 씁슬하다 씁쓸하다"),
    ("\"가축에게 줄 {먹이량/먹이양}을 재었다.\" 가운데 올바른 것을 선택하고, 그 이유를 설명하세요.", "가축에게 줄 먹이량, 먹이양을 재었다."),
    ("알맞은 것을 고르시오.", "알맞은 것을 고르시오."),
  ])
  func `rewriting leaves the sentence a question is about`(question: String, sentence: String) {
    #expect(rewriteExamQuestion(question) == sentence)
  }
}
