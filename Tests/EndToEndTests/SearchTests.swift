/// `retort search`: one question, asked of a file of passages.
import Foundation
import Testing

@Suite struct SearchTests {
  private let book = """
    [{"rule_id": "제1항", "title": "첫째 규정", "description": "두음 법칙에 따라 적는 것이 옳다"},
     {"rule_id": "제1항", "title": "둘째 규정", "description": "사이시옷을 받치어 적는 것이 옳다"},
     {"rule_id": "제2항", "title": "셋째 규정", "description": "낱말과 낱말 사이는 띄어 쓴다"}]
    """
  private struct Report: Decodable {
    struct Hit: Decodable {
      var rank: Int, passage: String, title: String?, text: String, score: Float, rerank_score: Float?
      var probability: Double?
    }
    var question: String, method: String, hits: [Hit]
    var threshold: Double?
  }

  @Test func `BM25 finds the rule in a book as it is, and leaves out what has no word of the question`() async throws {
    let project = try Project(data: ["book.json": book])
    let shown = try await project.retort("search", "--bm25", "book.json", "두음 법칙은 언제 쓰나?")
    #expect(shown.code == 0)
    let lines = shown.output.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
    #expect(lines[0] == ["rank", "score", "title", "text"] && lines.count == 2, "\(shown.output)")
    #expect(lines[1].first == "1" && lines[1].contains("첫째") && lines[1].contains("두음"))
    let report = try await project.retort("search", "--bm25", "book.json", "두음", "--json").decoded(Report.self)
    #expect(report.method == "bm25" && report.question == "두음")
    #expect(report.hits.map(\.text) == ["두음 법칙에 따라 적는 것이 옳다"])
    let nothing = try await project.retort("search", "--bm25", "book.json", "xyz")
    #expect(nothing.output == "no passage has a word in common with the question\n")
  }

  @Test func `a model searches, a reranker judges again, and calibration gives probabilities`() async throws {
    let corpus = ["the river bank", "tree and wood", "the forest"]
    let project = try Project(data: [
      "corpus.jsonl": corpus.enumerated().map { #"{"id": "p\#($0)", "text": "\#($1)"}"# + "\n" }.joined(),
      "calibration.json": #"{"method": "calibrated", "constants": {"a": 2, "b": -1}, "threshold": 0}"#,
    ])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    try project.copy("Tests/Fixtures/models/classifier", to: "reranker")
    // A text's cosine with itself.
    let own = try await project.retort("search", "model", "corpus.jsonl", corpus[1], "--json", "--top-k", "1")
    let hit = try #require(try own.decoded(Report.self).hits.first)
    #expect(abs(hit.score - 1) < 1e-6)
    let all = ["--reranker", "reranker", "--calibration", "calibration.json"]
    let shown = try await project.run(retortProgram, ["search", "model", "corpus.jsonl", "river"] + all)
    #expect(shown.code == 0 && shown.output.contains("rank   score  reranked  probability  text"), "\(shown.output)")
    #expect(shown.output.contains("3 of 3 at or above the threshold 0"))
    let report = try await project.run(retortProgram, ["search", "model", "corpus.jsonl", "river", "--json"] + all)
      .decoded(Report.self)
    #expect(report.method == "model" && report.threshold == 0 && report.hits.map(\.rank) == [1, 2, 3])
    #expect(zip(report.hits, report.hits.dropFirst()).allSatisfy { ($0.rerank_score ?? 0) >= ($1.rerank_score ?? 1) })
    #expect(
      report.hits.allSatisfy { abs(($0.probability ?? 0) - 1 / (1 + exp(1 - 2 * Double($0.score)))) < 1e-12 })
  }

  @Test func `wrong arguments end with 2 and a sentence`() async throws {
    let project = try Project(data: ["book.json": book])
    for (arguments, message) in [
      (["book.json", "질문"], "expected MODEL, CORPUS and QUESTION"),
      (["model", "book.json", "질문"], "there is no file or folder model"),
      (["--bm25", "book.json", " "], "the question is empty"),
      (["--bm25", "book.json", "질문", "--top-k", "0"], "--top-k takes a number from 1 to 100000"),
      (["--bm25", "book.json", "질문", "--calibration", "book.json"], "--calibration is of a model's scores"),
      (["--bm25", "book.json", "질문", "--passage-columns", "rule=x"], "`passage_columns` has no `rule`"),
    ] {
      let ended = try await project.run(retortProgram, ["search"] + arguments)
      #expect(ended.code == 2 && ended.errors.contains(message), "\(ended.code) \(ended.errors)")
    }
  }
}
