/// `retrieve`: exact to the last tie, whoever searches; reranked, calibrated, and with vectors of earlier results.
import CPU
import Artifacts
import Basics
import Foundation
import JSONText
import Models
import Pipelines
import Tensors
import TestSupport
import Testing

@testable import Stages

@Suite struct RetrieveTests {
  private let run: StageRun
  private let encoder = fixtures.appending(path: "models/sentence-transformer").path
  private let classifier = fixtures.appending(path: "models/classifier").path

  init() throws { run = try StageRun() }

  private func retrieve(
    _ queries: String, _ corpus: String, _ inputs: [String: String] = [:],
    with parameters: [String: ParameterValue] = [:], earlier: [[String: EarlierOutput]] = []
  ) async throws -> [RankedPassage] {
    try await run.run(
      Retrieve.self, inputs: inputs.merging(["queries": queries, "corpus": corpus]) { $1 }, with: parameters,
      earlier: earlier)
    return try RankedPassage.read(run.folder.url.appending(path: "ranking"))
  }

  // MARK: - Exactness

  @Test func `the best of many blocks on any number of threads are those of sorting all, ties by id descending`() {
    // Signs in 16 dimensions, as bits: unit vectors whose cosines are 1 less an eighth for each sign that differs.
    var random = SplitMix64(seed: 3)
    func signs(_ count: Int) -> [Int] { (0..<count).map { _ in random.next(below: 1 << 16) } }
    func vectors(_ signs: [Int]) -> Embeddings {
      Embeddings(signs.flatMap { signs in (0..<16).map { signs >> $0 & 1 == 0 ? -0.25 : 0.25 as Float } }, width: 16)
    }
    let (queries, passages) = (signs(100), signs(4200))
    let numbers = passages.indices.map { $0 * 7919 % 4200 }
    let ids = numbers.map { String(format: "p%04d", $0) }
    let retriever = DenseRetriever(queries: vectors(queries), passages: vectors(passages))
    // Sorted as whole numbers: signs in common first, then what stands in the id.
    let expected = queries.map { query in
      let keys = passages.indices.map { (16 - (passages[$0] ^ query).nonzeroBitCount) * 10_000 + numbers[$0] }
      let places = Dictionary(uniqueKeysWithValues: zip(keys, passages.indices))
      return keys.sorted().suffix(20).reversed().compactMap { places[$0] }
    }
    let order = TieOrder(ids: ids)
    for threads in [1, 3] {
      let best = retriever.best(20, in: order, on: CPU(threads: threads))
      #expect(best.map { $0.map(\.passage) } == expected)
    }
    var seen: [[Int]] = []
    retriever.forEachQuery { seen.append(order.top(20, of: $1)) }
    #expect(seen == expected)
  }

  @Test func `the best passages are the same however many are asked for`() {
    let scores = (0..<640).map { [-0.5, -0.0, 0, 0.25, -1e-30, 1e-30, 3][$0 * 31 % 7] as Float }
    let order = TieOrder(ids: scores.indices.map { "\($0 * 7919 % 640)" })
    let all = scores.indices.sorted { order.ranks($0, scores[$0], before: $1, scores[$1]) }
    for count in [0, 1, 39, 40, 41, 639, 640] {
      #expect(order.top(count, of: scores[...]) == Array(all.prefix(count)), "\(count)")
    }
  }

  @Test func `a bi-encoder's scores are the cosines of what embed gives, best first`() async throws {
    let texts = (0..<40).map {
      String(repeating: "tree and wood ", count: $0 % 9 + 1) + ["river", "bank", "forest"][$0 % 3]
    }
    let unique = Array(Set(texts)).sorted()
    let queries = ["the river", "wood of the forest", "tree"]
    try run.folder.write(
      unique.enumerated().map { #"{"id": "p\#($0)", "text": "\#($1)"}"# }.joined(separator: "\n"), to: "corpus.jsonl")
    try run.folder.write(
      queries.enumerated().map { #"{"id": "q\#($0)", "text": "\#($1)"}"# }.joined(separator: "\n"), to: "queries.jsonl")
    let hits = try await retrieve("queries.jsonl", "corpus.jsonl", ["model": encoder], with: ["top_k": .int(6)])
    #expect(hits.map(\.rank) == queries.flatMap { _ in 1...6 })

    func vectors(_ file: String) async throws -> [[Double]] {
      let run = try StageRun()
      try await run.run(
        Embed.self, inputs: ["model": encoder, "texts": self.run.folder.url.appending(path: file).path])
      let file = run.folder.url.appending(path: "embeddings/embeddings.safetensors")
      let values = try SafeTensors(contentsOf: file).floats("embeddings").map(Double.init)
      return stride(from: 0, to: values.count, by: 8).map { start in
        let row = values[start..<start + 8]
        let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return row.map { $0 / length }
      }
    }
    let (left, right) = (try await vectors("queries.jsonl"), try await vectors("corpus.jsonl"))
    for (number, query) in left.enumerated() {
      let cosines = right.map { zip($0, query).reduce(0) { $0 + $1.0 * $1.1 } }
      let found = hits.filter { $0.id == "q\(number)" }
      let places = try found.map { try #require(Int($0.passage.dropFirst())) }
      #expect(zip(found, places).allSatisfy { abs(Double($0.score) - cosines[$1]) < 1e-6 && $0.text == unique[$1] })
      #expect(zip(found, found.dropFirst()).allSatisfy { $0.score >= $1.score })
      let rest = cosines.indices.filter { !places.contains($0) }.map { cosines[$0] }
      #expect((rest.max() ?? 1) <= Double(found[5].score) + 1e-6)
    }
  }

  // MARK: - What is read

  private let book = """
    [{"rule_id": "제1항", "title": "첫째", "description": "두음 법칙에 따라 적는다"},
     {"rule_id": "제1항", "title": "둘째", "description": "사이시옷을 받치어 적는다"},
     {"rule_id": "제2항", "title": "셋째", "description": "사이시옷을 받치어 적는다"},
     {"rule_id": "제3항", "title": "넷째", "description": "띄어 쓴다"}]
    """

  @Test func `queries need no gold, and a book without ids is searched as groups reads it`() async throws {
    try run.folder.write(book, to: "book.json")
    try run.folder.write(
      #"[{"번호": 7, "input": {"question": "다음 중 알맞은 것을 고르시오.\n두음"}}, {"번호": 8, "input": {"question": "사이시옷"}}]"#,
      to: "questions.json")
    let hits = try await retrieve(
      "questions.json", "book.json",
      with: [
        "columns": .map(["id": .string("번호")]), "passage_columns": .map(["text": .string("description")]),
        "passage_template": .string("{title}. {text}"), "query_template": .string("질문: {text}"), "rewrite": .bool(true),
        "top_k": .int(2),
      ])
    #expect(hits.map(\.id) == ["7", "7", "8", "8"] && hits.map(\.rank) == [1, 2, 1, 2])
    #expect(hits.map(\.title) == ["첫째", "넷째", "셋째", "둘째"])
    // The text alone, not as the model sees it; no score for it, since no word of it was asked for.
    #expect(hits[0].text == "두음 법칙에 따라 적는다" && hits[0].score > 0 && hits[1].score == 0)
    // Both read alike but for their titles, so the later id is first.
    #expect(hits[2].score == hits[3].score && hits[2].passage == "p3")
    #expect(hits.allSatisfy { $0.rerankScore == nil && $0.probability == nil })
    #expect(run.messages.contains { $0.contains("`rule_id` of book.json is not taken for the column of ids") })
    #expect(run.messages.contains { $0.contains("bm25: 2 queries over 4 passages | Hits of each: 2") })
    #expect(run.metric("queries") == 2 && run.metric("passages") == 4)
  }

  @Test func `equal texts are one passage, and groups serve as queries`() async throws {
    let passages = [Passage(id: "b", text: "강가에 나무가 섰다"), Passage(id: "a", text: "강가에 나무가 섰다")]
    try Passage.write(passages, to: run.folder.url.appending(path: "corpus.jsonl"))
    try QueryGroup.write(
      [QueryGroup(id: "q", query: "나무", positives: [passages[0]])], to: run.folder.url.appending(path: "groups.jsonl"))
    let hits = try await retrieve("groups.jsonl", "corpus.jsonl")
    #expect(hits.map(\.passage) == ["b"] && hits[0].id == "q" && hits[0].title == nil)
    #expect(try run.lines("ranking")[0].contains(#""title":null"#))
    #expect(run.messages.contains { $0.contains("1 passages repeat the text of another") })
  }

  @Test func `a query without a word in common with any passage is told of`() async throws {
    try run.folder.write(book, to: "book.json")
    try run.folder.write("query\nabc\n사이시옷\n", to: "q.csv")
    let hits = try await retrieve(
      "q.csv", "book.json", with: ["passage_columns": .map(["text": .string("description")])])
    #expect(hits.map(\.id) == ["q1", "q1", "q1", "q2", "q2", "q2"])
    #expect(run.messages.contains { $0.contains("queries without a word in common with any passage: 1;") })
  }

  @Test func `what cannot be done says why`() async throws {
    try run.folder.write("query\na b\n", to: "q.csv")
    try run.folder.write(#"{"text": "a b"}"#, to: "c.jsonl")
    try run.folder.write("[]", to: "none.json")
    try run.folder.write(#"{"method": "calibrated", "constants": {"a": 1}}"#, to: "half.json")
    try run.folder.write(#"{"accuracy": 1}"#, to: "other.json")
    let corpus = "c.jsonl"
    #expect(
      await failure { try await retrieve("q.csv", corpus, with: ["method": .string("model")]) }
        == "`method: model` needs a model at the port `model`")
    #expect(
      await failure { try await retrieve("q.csv", "none.json") } == "none.json: error: there are no passages to search")
    #expect(await failure { try await retrieve("none.json", corpus) } == "none.json: error: there are no queries")
    for (file, message) in [
      ("half.json", "half.json: error: no number `b`; expected the results of `normalize`"),
      ("other.json", "other.json: error: its `method` is none of `normalize`; expected the results of that stage"),
    ] {
      #expect(await failure { try await retrieve("q.csv", corpus, ["calibration": file]) } == message)
    }
    #expect(
      await failure { try await retrieve("q.csv", corpus, ["calibration": "q.csv"]) }.hasPrefix("q.csv:1:1: error: "))
    try run.folder.write(#"{"method": "shift", "constants": {}, "threshold": 0.5}"#, to: "shift.json")
    #expect(
      await failure { try await retrieve("q.csv", corpus, ["calibration": "shift.json"]) }
        == "`calibration` is of a model's scores, and BM25 finds the passages: unbind one of them")
    #expect(
      await failure { try await retrieve("q.csv", corpus, ["model": classifier]) }.contains("expected an encoder"))
    #expect(
      try Retrieve.bound(
        to: StageBinding(
          inputs: ["queries": BoundArtifact(url: run.folder.url), "corpus": BoundArtifact(url: run.folder.url)],
          parameters: ["columns": .map(["passage": .string("p")]), "query_template": .string("{")],
          outputs: ["ranking": run.folder.url, "embeddings": run.folder.url])
      ).problems() == [
        "`query_template` has, as character 1, a `{` that no `}` closes; write `{{` for a brace",
        "`columns` has no `passage`; known are id, query, records",
      ])
  }

  // MARK: - Reranking and calibration

  private func writeForest() throws {
    try run.folder.write(
      (0..<12).map { #"{"id": "p\#($0)", "text": "the wood \#(String(repeating: "tree river ", count: $0 + 1))"}"# }
        .joined(separator: "\n"), to: "corpus.jsonl")
    try run.folder.write("id,query\nq0,the river\nq1,tree\n", to: "queries.csv")
  }

  @Test func `a reranker orders the best by the logits of score, and the others follow as they were`() async throws {
    try writeForest()
    let plain = try await retrieve("queries.csv", "corpus.jsonl", ["model": encoder], with: ["top_k": .int(6)])
    let hits = try await retrieve(
      "queries.csv", "corpus.jsonl", ["model": encoder, "reranker": classifier],
      with: ["top_k": .int(6), "rerank": .int(4)])
    for (id, query) in [("q0", "the river"), ("q1", "tree")] {
      let (before, after) = (plain.filter { $0.id == id }, hits.filter { $0.id == id })
      let candidates = before.prefix(4).map {
        Candidate(passage: Passage(id: $0.passage, text: $0.text), isPositive: false, source: .nearest)
      }
      try CandidateList.write(
        [CandidateList(id: id, query: query, candidates: candidates, type: nil)],
        to: run.folder.url.appending(path: "candidates.jsonl"))
      try await run.run(Score.self, inputs: ["teacher": classifier, "candidates": "candidates.jsonl"])
      let scored = try #require(try ScoredList.read(run.folder.url.appending(path: "scores")).first).candidates
      let logits = Dictionary(uniqueKeysWithValues: scored.map { ($0.candidate.passage.id, $0.logit) })
      #expect(after.prefix(4).allSatisfy { $0.rerankScore == logits[$0.passage] })
      #expect(zip(after.prefix(3), after.prefix(4).dropFirst()).allSatisfy { $0.rerankScore! >= $1.rerankScore! })
      #expect(after.dropFirst(4).map(\.passage) == before.dropFirst(4).map(\.passage))
      #expect(after.dropFirst(4).allSatisfy { $0.rerankScore == nil })
      #expect(Set(after.map(\.score)) == Set(before.map(\.score)))
    }
  }

  private static let maps: [(method: String, map: @Sendable (Double) -> Double)] = [
    (#""shift", "constants": {}"#, { ($0 + 1) / 2 }),
    (#""minmax", "constants": {"min": -0.5, "max": 1.5}"#, { ($0 + 0.5) / 2 }),
    (#""zscore", "constants": {"mean": 0.5, "std": 0.25}"#, { erfc(-($0 - 0.5) / 0.25 / 2.0.squareRoot()) / 2 }),
    (#""calibrated", "constants": {"a": 3.5, "b": -1.25}"#, { 1 / (1 + exp(1.25 - 3.5 * $0)) }),
  ]

  @Test(arguments: maps.indices)
  func `calibration makes probabilities of scores, and tells how many reach the threshold`(
    number: Int
  ) async throws {
    let (method, map) = Self.maps[number]
    try writeForest()
    try run.folder.write("{\"method\": \(method), \"threshold\": 2}", to: "high.json")
    let hits = try await retrieve("queries.csv", "corpus.jsonl", ["model": encoder, "calibration": "high.json"])
    #expect(hits.count == 20 && hits.allSatisfy { abs(($0.probability ?? -1) - map(Double($0.score))) < 1e-12 })
    #expect(run.metric("above_threshold") == 0)
    try run.folder.write("{\"method\": \(method), \"threshold\": 0}", to: "low.json")
    let second = try StageRun()
    try await second.run(
      Retrieve.self,
      inputs: ["queries": "queries.csv", "corpus": "corpus.jsonl", "calibration": "low.json"]
        .mapValues { run.folder.url.appending(path: $0).path }.merging(["model": encoder]) { $1 })
    #expect(second.metric("above_threshold") == 1)
  }

  @Test func `what normalize writes is a calibration`() async throws {
    let passages = (0..<6).map { Passage(id: "p\($0)", text: String(repeating: "tree river ", count: $0 + 1)) }
    try QueryGroup.write(
      (0..<6).map { QueryGroup(id: "q\($0)", query: "wood \($0)", positives: [passages[$0]]) },
      to: run.folder.url.appending(path: "groups.jsonl"))
    try await run.run(
      Normalize.self, inputs: ["model": encoder, "data": "groups.jsonl", "validation": "groups.jsonl"])
    let results = try Data(contentsOf: run.folder.url.appending(path: "results"))
    let written = try JSONDecoder().decode(Written.self, from: results)
    let calibration = try Calibration(contentsOf: run.folder.url.appending(path: "results"))
    #expect(calibration.threshold == written.threshold)
    let expected = 1 / (1 + exp(-(written.constants.a * 0.25 + written.constants.b)))
    #expect(abs(calibration.probability(of: 0.25) - expected) < 1e-12)
  }

  private struct Written: Decodable {
    struct Constants: Decodable { var a: Double, b: Double }
    var constants: Constants, threshold: Double
  }

  // MARK: - Reuse

  @Test func `vectors of known passages and queries are taken from earlier results, to the byte`() async throws {
    try writeForest()
    func outputs() throws -> [Data] {
      try ["ranking", "embeddings/embeddings.safetensors", "embeddings/digests.txt", "embeddings/ids.json"].map {
        try Data(contentsOf: run.folder.url.appending(path: $0))
      }
    }
    func reused() -> String? { run.messages.last { $0.contains("Reused: ") } }
    _ = try await retrieve("queries.csv", "corpus.jsonl", ["model": encoder])
    #expect(reused() == "[retrieve] Texts: 14 | Width: 8 | Reused: 0")
    let kept = run.folder.url.appending(path: "kept")
    try FileManager.default.moveItem(at: run.folder.url.appending(path: "embeddings"), to: kept)
    let artifact = try SourceHasher(memory: KnownStamps()).hash(kept).artifact
    let earlier = ["embeddings": EarlierOutput(artifact: artifact, url: kept)]

    try run.folder.write("id,query\nq0,the forest\nq1,tree\n", to: "queries.csv")
    _ = try await retrieve(
      "queries.csv", "corpus.jsonl", ["model": encoder], with: ["top_k": .int(3)], earlier: [earlier])
    #expect(reused() == "[retrieve] Texts: 14 | Width: 8 | Reused: 13")
    let taken = try outputs()
    try FileManager.default.removeItem(at: run.folder.url.appending(path: "embeddings"))
    _ = try await retrieve("queries.csv", "corpus.jsonl", ["model": encoder], with: ["top_k": .int(3)])
    #expect(try outputs() == taken)
  }
}
