/// `evaluate` of answers, and `select`: what is counted, what is written, what is refused.
import Foundation
import JSONText
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct AnswerTests {
  private let run: StageRun

  init() throws {
    run = try StageRun()
    try write(
      "questions.json",
      """
      [{"id": "q1", "input": {"question_type": "A", "question": "?"}, "output": {"answer": "“가 나”가 옳다. 둘 셋"}},
       {"id": "q2", "input": {"question_type": "B", "question": "!"}, "output": {"answer": "“물”이 옳다. 넷"}}]
      """)
  }

  private func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: run.folder.url.appending(path: name))
  }

  private func evaluate(_ answers: String, _ others: [String: ParameterValue] = [:]) async throws -> JSONValue {
    try write("answers.jsonl", answers)
    try await run.run(Evaluate.self, inputs: ["data": "questions.json", "answers": "answers.jsonl"], with: others)
    return try Data(contentsOf: run.folder.url.appending(path: "results")).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  @Test func `answers made elsewhere are held against references, overall and by type`() async throws {
    let results = try await evaluate(
      """
      {"id": "q1", "output": {"answer": "“가 나”가 옳다. 둘"}}
      {"id": "q2", "output": {"answer": "모르겠다"}}
      """)
    #expect(results["method"] == "answers" && results["missing"] == 0)
    let scores = try #require(results["scores"])
    #expect(scores["form"] == 0.5 && scores["exact"] == 0.5)
    // One of one word is right, and one of two is found: F1 2/3; the other answer has no reason.
    #expect(abs((scores["rouge1"]?.double ?? 0) - 1.0 / 3) < 1e-12)
    #expect(results["by_type"]?["A"]?["exact"] == 1 && results["by_type"]?["B"]?["exact"] == 0)
    let worst = try #require(run.lines("per_query").first)
    #expect(worst.contains("\"id\":\"q2\"") || worst.contains("\"id\": \"q2\""))
    let scored = try PerQueryScores(contentsOf: run.folder.url.appending(path: "per_query"))
    #expect(scored.values(of: "exact") == ["q1": 1, "q2": 0] && scored.types == ["q1": "A", "q2": "B"])
    #expect(scored.values(of: "ndcg@10") == nil)
  }

  @Test func `a record without an answer counts as an empty one and is told of`() async throws {
    let results = try await evaluate(#"{"id": "q1", "completion": "“가 나”가 옳다."}"#)
    #expect(results["missing"] == 1 && results["scores"]?["exact"] == 0.5)
    #expect(run.messages.contains { $0.contains("1 of 2 records have no answer, the first `q2`") })
  }

  @Test func `an answer to no record is an error`() async throws {
    await #expect { try await evaluate(#"{"id": "q9", "completion": "x"}"#) } throws: {
      "\($0)".contains("an answer to `q9`, which is no record's id")
    }
  }

  @Test func `a language model learns to name the passage that answers, and chooses`() async throws {
    let passages = (1...3).map { Passage(id: "p\($0)", text: "rule \($0)") }
    let lists = (0..<4).map { index in
      CandidateList(
        id: "q\(index)", query: "query \(index % 3 + 1)",
        candidates: passages.enumerated().map { place, passage in
          Candidate(passage: passage, isPositive: place == index % 3, source: .given)
        })
    }
    try CandidateList.write(lists, to: run.folder.url.appending(path: "candidates.jsonl"))
    try await run.run(
      Select.self,
      inputs: ["base": fixtures.appending(path: "perplexity/qwen3").path, "train": "candidates.jsonl"],
      with: [
        "chat": .bool(false), "epochs": .int(1), "num_generations": .int(2), "batch_size": .int(4),
        "lora": .map(["r": .int(2), "dropout": .double(0)]), "keep": .string("last"),
        "prompt": .string("{query}\n{passages}\n"),
      ])
    let chosen = try QueryGroup.read(run.folder.url.appending(path: "chosen"))
    let scored = try ScoredList.read(run.folder.url.appending(path: "scores"))
    #expect(chosen.count == 4 && chosen.allSatisfy { $0.positives.count == 1 && $0.negatives.count == 2 })
    for (group, list) in zip(chosen, scored) {
      #expect(group.positives[0].id == list.candidates[0].candidate.passage.id)
      #expect(abs(list.candidates.reduce(0) { $0 + $1.score } - 1) < 1e-5)
      #expect(zip(list.candidates, list.candidates.dropFirst()).allSatisfy { $0.logit >= $1.logit })
    }
    #expect(run.messages.contains { $0.contains("[select] Queries: 4") && $0.contains("Reachable: 1.0000") })
    #expect(try run.lines("completions").count == 8)
  }
}
