/// Triplets are evaluated row by row, as the program did that this evaluation replaces.
import Foundation
import JSONText
import Pipelines
import TestSupport
import Testing

@testable import Stages

/// Fixtures/stages/triplets.json, made by Fixtures/generate/triplets.py.
private struct Golden: Decodable {
  let width: Int
  let queries: [Float]
  let passages: [Float]
  /// Anchor, positive, negative.
  let rows: [[Int]]
  let expected: [String: Double]

  static func read() throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: fixtures.appending(path: "stages/triplets.json")))
  }
}

private let table = """
  anchor,positive,negative
  word1 is,word1 so,word2 so
  word2 is,word2 so,word3 so
  word1 is,word4 so,word3 so
  word2 is,word2 so,word1 so

  """

@Suite struct TripletTests {
  @Test func `ten figures equal numpy's`() throws {
    let golden = try Golden.read()
    let corpus = (0..<golden.passages.count / golden.width).map { Passage(id: "p\($0)", text: "text \($0)") }
    let queries = golden.queries.count / golden.width
    let groups = (0..<queries).map { query in
      let rows = golden.rows.filter { $0[0] == query }
      return QueryGroup(
        id: "q\(query)", query: "query \(query)", positives: rows.map { corpus[$0[1]] },
        negatives: rows.map { corpus[$0[2]] })
    }
    var data = EvaluationData(groups: groups)
    data.triplets = golden.rows.map { Triplet(query: $0[0], positive: corpus[$0[1]], negative: corpus[$0[2]]) }
    let judge = try Judge(data, pool: PassagePool(corpus, file: URL(filePath: "corpus")))
    let retriever = DenseRetriever(
      queries: Embeddings(golden.queries, width: golden.width),
      passages: Embeddings(golden.passages, width: golden.width))
    let json = Evaluation(judge, "bi-encoder", .cosine, judge.judge(retriever)).json
    for (name, value) in golden.expected {
      let found = try #require(json[name]?.double, "\(name)")
      #expect(abs(found - value) < 1e-6, "\(name)")
    }
    #expect(Array(json.members?.prefix(10).map(\.key) ?? []).sorted() == golden.expected.keys.sorted())
  }

  @Test func `a table keeps its rows, also where anchors and positives come again`() throws {
    let folder = try ScratchFolder()
    var builder = GroupBuilder()
    try GroupReader(
      columns: Columns([:]), passageColumns: Columns([:]), queryForm: Template("query: (ko) {text}"),
      passageForm: Template("passage: (ko) {text}")
    ).readTuples(folder.write(table, to: "test.csv"), into: &builder)
    let data = EvaluationData(builder)
    #expect(data.groups.map(\.query) == ["query: (ko) word1 is", "query: (ko) word2 is"])
    #expect(
      data.triplets.map { [data.groups[$0.query].query, $0.positive.text, $0.negative.text] } == [
        ["query: (ko) word1 is", "passage: (ko) word1 so", "passage: (ko) word2 so"],
        ["query: (ko) word2 is", "passage: (ko) word2 so", "passage: (ko) word3 so"],
        ["query: (ko) word1 is", "passage: (ko) word4 so", "passage: (ko) word3 so"],
        ["query: (ko) word2 is", "passage: (ko) word2 so", "passage: (ko) word1 so"],
      ])
  }

  @Test(arguments: [(2, 2, ["p0 n0", "p1 n1"]), (1, 2, ["p0 n0", "p0 n1"]), (2, 1, ["p0 n0", "p1 n0"]), (1, 0, [])])
  func `groups give rows in twos, or each positive with each negative`(positives: Int, negatives: Int, rows: [String]) {
    let group = QueryGroup(
      id: "q", query: "q", positives: (0..<positives).map { Passage(id: "p\($0)", text: "p\($0)") },
      negatives: (0..<negatives).map { Passage(id: "n\($0)", text: "n\($0)") })
    #expect(group.pairs.map { "\($0.positive.id) \($0.negative.id)" } == rows)
  }

  @Test func `evaluate takes a table at its port, and groups made of it`() async throws {
    let run = try StageRun()
    try run.folder.write(table, to: "test.csv")
    let parameters: [String: ParameterValue] = ["method": .string("bm25")]
    try await run.run(Evaluate.self, inputs: ["data": "test.csv"], with: parameters)
    let direct = try run.lines("per_query")
    #expect(run.metric("accuracy@1") == 1)
    try await run.run(MakeGroups.self, inputs: ["data": "test.csv"])
    try await run.run(Evaluate.self, inputs: ["data": "groups"], with: parameters)
    #expect(try run.lines("per_query") == direct)
  }

  @Test func `a column that the table lacks is named`() async throws {
    let run = try StageRun()
    try run.folder.write("question,answer\na,b\n", to: "test.csv")
    let message = await failure { try await run.run(Evaluate.self, inputs: ["data": "test.csv"]) }
    #expect(message.hasPrefix("test.csv:1: error: no column `positive`"), "\(message)")
  }
}
