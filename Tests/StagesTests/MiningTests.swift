import Foundation
import Pipelines
import TestSupport
import Testing
import Training

@testable import Stages

@Suite struct MiningTests {
  private let passages = (0..<30).map { Passage(id: "p\($0)", text: "text \($0)") }

  private func miner(_ change: (inout Miner) -> Void = { _ in }) -> Miner {
    let group = QueryGroup(id: "q", query: "q", positives: [passages[0]], negatives: [passages[1]])
    // The same question again (decomposed), with another positive; and a copy of a positive under another id.
    let twin = QueryGroup(id: "r", query: "q", positives: [passages[2]])
    let copy = Passage(id: "copy", text: "text 0")
    var miner = Miner(groups: [group, twin], pool: passages + [copy], wanted: 15, seed: 3)
    change(&miner)
    return miner
  }
  private func all(_ passages: [Int]) -> [Bool] { passages.map { _ in true } }

  @Test func `random negatives are different, never a known positive, given ones counted`() {
    let miner = miner { $0.wanted = 100 }
    #expect(Set(miner.random(0, accept: all)) == Set(3..<30))
    let few = self.miner { $0.wanted = 6 }
    #expect(few.random(0, accept: all).count == 5)
    #expect(few.random(0, accept: all) == few.random(0, accept: all))
    #expect(few.random(1, accept: all).count == 6)
  }

  /// Rows 0 to 5, each with a positive and a negative of its own, in a pool of 30.
  @Test func `rows give positives and negatives of other rows in twos, then any passage`() throws {
    let groups = (0..<6).map {
      QueryGroup(id: "q\($0)", query: "q\($0)", positives: [passages[2 * $0]], negatives: [passages[2 * $0 + 1]])
    }
    var miner = Miner(groups: groups, pool: passages, wanted: 15, seed: 3)
    let rows = miner.rows { $0.map { Int($0.id.dropFirst())! } }
    #expect(rows.map(\.passages) == (0..<6).map { [2 * $0, 2 * $0 + 1] })
    for K in [4, 7, 8] {
      miner.wanted = K - 1
      let drawn = groups.indices.map { miner.fromRows($0, rows, accept: all) }
      for (number, drawn) in drawn.enumerated() {
        #expect(drawn.count == K - 2 && Set(drawn).count == K - 2)
        #expect(Set(drawn).isDisjoint(with: [2 * number, 2 * number + 1]))
        let fromRows = drawn.prefix((K - 2) / 2 * 2)
        #expect(fromRows.allSatisfy { $0 < 12 })
        #expect(stride(from: 0, to: fromRows.count, by: 2).allSatisfy { fromRows[$0] + 1 == fromRows[$0 + 1] })
      }
      #expect(Set(drawn).count > 1)
      #expect(drawn == groups.indices.map { miner.fromRows($0, rows, accept: all) })
    }
    miner.wanted = 29  // more than all rows have
    #expect(Set(miner.fromRows(0, rows, accept: all)) == Set(2..<30))
  }

  /// Passage 0, the positive, scores 0.9; passage k > 0 scores 1 − k/20.
  private func ranked(_ miner: Miner, accept: ([Int]) throws -> [Bool]) rethrows -> [Int] {
    let scores = [Float(0.9)] + (1...30).map { 1 - Float($0) / 20 }
    let order = TieOrder(ids: miner.pool.map(\.id))
    return try miner.ranked(0, scores: scores[...], positiveScores: [0.9], order: order, accept: accept)
  }

  @Test func `margins drop what is too near the positive, and the range counts places`() {
    #expect(ranked(miner { $0.wanted = 4 }, accept: all) == [3, 4, 5])
    #expect(
      ranked(
        miner {
          $0.wanted = 4; $0.absoluteMargin = 0.21
        }, accept: all) == [7, 8, 9])
    // s₊ − |s₊|·m = 0.441
    #expect(
      ranked(
        miner {
          $0.wanted = 4; $0.relativeMargin = 0.51
        }, accept: all) == [12, 13, 14])
    #expect(
      ranked(
        miner {
          $0.wanted = 4; $0.maxScore = 0.31
        }, accept: all) == [14, 15, 16])
    #expect(
      ranked(
        miner {
          $0.wanted = 9; $0.range = 2..<4
        }, accept: all) == [5, 6])
  }

  @Test func `a passage is left out by the first limit that it breaks, in sentence-transformers' order`() {
    var broken: [Miner.Limit: Int] = [:]
    let miner = miner {
      $0.wanted = 100; $0.absoluteMargin = 0.21; $0.relativeMargin = 0.51; $0.maxScore = 0.31; $0.minScore = 0.04
    }
    let scores = [Float(0.9)] + (1...30).map { 1 - Float($0) / 20 }
    let found = miner.ranked(
      0, scores: scores[...], positiveScores: [0.9], order: TieOrder(ids: miner.pool.map(\.id)),
      judged: { if let limit = $0 { broken[limit, default: 0] += 1 } }, accept: all)
    // Passages 3 … 29 score 0.85 … −0.45: above 0.69, 0.441 and 0.31, and below 0.04.
    #expect(found == [14, 15, 16, 17, 18, 19])
    #expect(broken == [.absoluteMargin: 4, .relativeMargin: 5, .maxScore: 2, .minScore: 10])
  }

  @Test func `the report has the distribution of scores and what was left out for which reason`() {
    var report = MiningReport()
    for limit in [nil, Miner.Limit.maxScore, .maxScore, nil] { report.judged(limit) }
    report.add(positives: [0.9, 0.7], negatives: [0.5])
    report.add(positives: [0.8], negatives: [0.2, 0.1, 0.4])
    // As numpy has mean, std(ddof=1) and percentile.
    #expect(
      report.lines(limits: [.maxScore: 0.8, .minScore: -1]) == [
        "Left out: 2 (50.00 %) by max_score 0.8 | 0 (0.00 %) by min_score -1.0",
        "Scores        positive    negative  difference",
        "  count              3           4           5",
        "  mean          0.8000      0.3000      0.4600",
        "  std           0.1000      0.1826      0.1949",
        "  min           0.7000      0.1000      0.2000",
        "  25 %          0.7500      0.1750      0.4000",
        "  50 %          0.8000      0.3000      0.4000",
        "  75 %          0.8500      0.4250      0.6000",
        "  max           0.9000      0.5000      0.7000",
      ])
  }

  @Test func `the teacher's filter drops false negatives, and the next ones step in`() {
    #expect(ranked(miner { $0.wanted = 4 }) { $0.map { $0 % 2 == 0 } } == [4, 6, 8])
  }

  /// Three passages of 2, 1 and 3 terms, mean length 2.
  @Test func `BM25 follows its formula`() {
    let index = BM25(["cat sat", "cat", "a dog ran"])
    let idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    let scores = index.scores("the cat")
    #expect(abs(Double(scores[0]) - idf / (1 + 1.2)) < 1e-7)
    #expect(abs(Double(scores[1]) - idf / (1 + 1.2 * (0.25 + 0.75 / 2))) < 1e-7)
    #expect(scores[2] == 0)
    #expect(abs(Double(index.scores("cat cat")[1] - 2 * scores[1])) < 1e-6)
  }

  @Test func `Korean terms are pairs of syllables, other words are whole`() {
    #expect(bm25Terms("먹이양을 BERT-2로, 값") == ["먹이", "이양", "양을", "bert", "2", "로", "값"])
    #expect(bm25Terms("\u{1100}\u{1161}\u{B098}") == ["가나"])
  }

  @Test func `a sample is the one that distill would draw, and nothing of the others is drawn`() async throws {
    let run = try StageRun()
    let groups = (0..<40).map { QueryGroup(id: "q\($0)", query: "query \($0)", positives: [passage($0)]) }
    try QueryGroup.write(groups, to: run.folder.url.appending(path: "groups.jsonl"))
    try await run.run(
      Mine.self, inputs: ["groups": "groups.jsonl"], with: ["max_samples": .int(6), "num_negatives": .int(5)])
    let lists = try CandidateList.read(run.folder.url.appending(path: "candidates"))
    #expect(lists.map(\.id) == SeededDraws(seed: 7).sample(6, of: 40).map { "q\($0)" })
    let own = Set(lists.flatMap { $0.candidates.filter(\.isPositive).map(\.passage.id) })
    #expect(lists.allSatisfy { Set($0.candidates.map(\.passage.id)) == own })
    #expect(run.messages.contains("[mine] Queries used: 6 of 40"))
  }

  private func passage(_ number: Int) -> Passage { Passage(id: "p\(number)", text: "text \(number)") }

  @Test func `candidates come positives first, then given, then mined`() async throws {
    let run = try StageRun()
    try run.folder.write(
      #"{"id":"q","query":"cat","positives":[{"id":"a","text":"cat"}],"negatives":[{"id":"b","text":"dog"}]}"# + "\n"
        + #"{"id":"r","query":"cow","positives":[{"id":"c","text":"cat cow"}],"negatives":[]}"#, to: "groups.jsonl")
    try await run.run(
      Mine.self, inputs: ["groups": "groups.jsonl"], with: ["strategy": .string("bm25"), "num_negatives": .int(2)])
    #expect(
      try run.lines("candidates")[0]
        == #"{"id":"q","query":"cat","candidates":[{"id":"a","text":"cat","label":1,"source":"positive"},"#
        + #"{"id":"b","text":"dog","label":0,"source":"given"},{"id":"c","text":"cat cow","label":0,"source":"bm25"}]}"#
    )
  }

  /// Nine rules of three chapters; a question about each of the first two.
  private func writeBook(to folder: ScratchFolder) throws {
    let rules = (0..<9).map { #"{"id":"r\#($0)","title":"t\#($0)","text":"rule \#($0)","chapter":"c\#($0 % 3)"}"# }
    try folder.write(rules.joined(separator: "\n"), to: "book.jsonl")
    try folder.write(
      #"{"id":"q0","query":"a","rule":"r0"}"# + "\n" + #"{"id":"q1","query":"b","rule":"r1"}"#, to: "qa.jsonl")
  }

  @Test func `negatives of the positive's category come first, then any`() async throws {
    let run = try StageRun()
    try writeBook(to: run.folder)
    try await run.run(
      MakeGroups.self, inputs: ["data": "qa.jsonl", "passages": "book.jsonl"],
      with: ["passage_columns": .map(["category": .string("chapter")])])
    #expect(try run.lines("corpus")[4] == #"{"id":"r4","text":"rule 4","category":"c1"}"#)
    try await run.run(
      Mine.self, inputs: ["groups": "groups", "corpus": "corpus"],
      with: ["strategy": .string("category"), "num_negatives": .int(4)])
    let lists = try CandidateList.read(run.folder.url.appending(path: "candidates"))
    for (number, list) in lists.enumerated() {
      let mined = list.candidates.dropFirst()
      #expect(Set(mined.prefix(2).map(\.passage.id)) == ["r\(number + 3)", "r\(number + 6)"])
      #expect(mined.map(\.source) == [.category, .category, .random, .random])
    }
    #expect(run.messages.contains("[mine] Queries: 2 | Pool: 9 | Given: 0 | category: 4 | random: 4"))
  }

  @Test func `without a category that is named there is none, and mining by it says where to name it`() async throws {
    let run = try StageRun()
    try writeBook(to: run.folder)
    try await run.run(MakeGroups.self, inputs: ["data": "qa.jsonl", "passages": "book.jsonl"])
    #expect(try run.lines("corpus")[4] == #"{"id":"r4","text":"rule 4"}"#)
    await #expect {
      try await run.run(
        Mine.self, inputs: ["groups": "groups", "corpus": "corpus"], with: ["strategy": .string("category")])
    } throws: {
      "\($0)".contains("passage_columns: {category: chapter}")
    }
  }

  @Test func `candidates that another strategy mined are joined, and keep their source`() async throws {
    let run = try StageRun()
    let passages = (0..<6).map { Passage(id: "p\($0)", text: "word\($0) common") }
    try Passage.write(passages, to: run.folder.url.appending(path: "corpus.jsonl"))
    let group = QueryGroup(id: "q", query: "word1 word2", positives: [passages[0]], negatives: [passages[5]])
    try QueryGroup.write([group], to: run.folder.url.appending(path: "groups.jsonl"))
    try await run.run(
      Mine.self, inputs: ["groups": "groups.jsonl", "corpus": "corpus.jsonl"],
      with: ["strategy": .string("bm25"), "num_negatives": .int(3)])
    try FileManager.default.moveItem(
      at: run.folder.url.appending(path: "candidates"), to: run.folder.url.appending(path: "hard.jsonl"))
    try await run.run(
      Mine.self, inputs: ["groups": "hard.jsonl", "corpus": "corpus.jsonl"], with: ["num_negatives": .int(5)])
    let candidates = try CandidateList.read(run.folder.url.appending(path: "candidates"))[0].candidates
    #expect(candidates.map(\.source) == [.positive, .given, .bm25, .bm25, .random, .random])
    #expect(Set(candidates.map(\.passage.id)).count == 6)
  }
}
