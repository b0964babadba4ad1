import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct SplitTests {
  private func rows(_ count: Int, _ row: (Int) -> String) -> String { (0..<count).map { row($0) + "\n" }.joined() }

  @Test func `the cut falls at int(n·(1−ratio)), every record on one side, in the file's order`() async throws {
    let run = try StageRun()
    try run.folder.write(rows(1179) { "{\"id\":\($0),\"query\":\"q\($0)\"}" }, to: "data.jsonl")
    try await run.run(
      Split.self, inputs: ["data": "data.jsonl"], with: ["eval_ratio": .double(0.15), "test_ratio": .double(0.05)])
    let (train, eval, test) = (try run.lines("train"), try run.lines("eval"), try run.lines("test"))
    #expect(train.count == 943 && eval.count == 177 && test.count == 59)
    #expect(Set(train + eval + test).count == 1179)
    #expect(run.messages.contains("[split] Total: 1179 | Train: 943 | Eval: 177 | Test: 59"))
    let ids = eval.compactMap { Int($0.split(separator: ",")[0].dropFirst(6)) }
    #expect(ids == ids.sorted() && ids.first! < 100 && ids.last! > 1000)
    let again = try StageRun()
    try again.folder.write(rows(1179) { "{\"id\":\($0),\"query\":\"q\($0)\"}" }, to: "data.jsonl")
    try await again.run(
      Split.self, inputs: ["data": "data.jsonl"], with: ["eval_ratio": .double(0.15), "test_ratio": .double(0.05)])
    #expect(try again.lines("train") == train)
  }

  @Test func `no group crosses the line, and a table becomes JSON lines with its fields`() async throws {
    let run = try StageRun()
    try run.folder.write("질문,규칙\n" + rows(100) { "\"q,\($0)\",r\($0 % 10)" }, to: "data.csv")
    try await run.run(Split.self, inputs: ["data": "data.csv"], with: ["group_by": .string("규칙")])
    let (train, eval) = (try run.lines("train"), try run.lines("eval"))
    func rules(_ lines: [String]) -> Set<Substring> { Set(lines.map { $0.suffix(4) }) }
    #expect(train.count == 80 && eval.count == 20 && rules(train).isDisjoint(with: rules(eval)))
    #expect(train.contains(#"{"질문":"q,1","규칙":"r1"}"#) || eval.contains(#"{"질문":"q,1","규칙":"r1"}"#))
  }

  @Test func `strata are divided in the same proportion, of a seeded sample`() async throws {
    let run = try StageRun()
    try run.folder.write(rows(100) { #"{"q":"\#($0)","t":"\#($0 < 90 ? "a" : "b")"}"# }, to: "data.jsonl")
    try await run.run(
      Split.self, inputs: ["data": "data.jsonl"], with: ["stratify_by": .string("t"), "eval_ratio": .double(0.5)])
    #expect(try run.lines("eval").count { $0.contains(#""b""#) } == 5)
    try await run.run(Split.self, inputs: ["data": "data.jsonl"], with: ["max_samples": .int(20)])
    #expect(try run.lines("train").count == 16)
    #expect(run.messages.contains("[split] max_samples: using 20 of 100"))
  }

  @Test func `duplicates that would leak are reported, compared after NFC`() async throws {
    let run = try StageRun()
    try run.folder.write(
      rows(40) { $0 % 2 == 0 ? "{\"query\":\"가\"}" : "{\"query\":\"\u{1100}\u{1161}\"}" }, to: "data.jsonl")
    try await run.run(Split.self, inputs: ["data": "data.jsonl"])
    #expect(run.metric("leaking_duplicates") == 8)
    #expect(run.messages.contains { $0.hasPrefix("[split] 8 held-out records repeat one of train") })
  }

  @Test func `records of several files are one set, and each names its file`() async throws {
    let run = try StageRun()
    try run.folder.write("query\n" + rows(6) { "a\($0)" }, to: "a.csv")
    try run.folder.write(
      rows(4) { "{\"query\":\"b\($0)\"}" } + "{\"query\":\"a0\",\"source\":\"book\"}\n", to: "b.jsonl")
    try await run.run(
      Split.self, inputs: ["data[1]": "a.csv", "data[2]": "b.jsonl"], with: ["eval_ratio": .double(0.5)], seed: 1)
    let (train, eval) = (try run.lines("train"), try run.lines("eval"))
    #expect(train.count == 5 && eval.count == 6)
    #expect(
      Set(train + eval)
        == Set(
          (0..<6).map { #"{"query":"a\#($0)","source":"a.csv"}"# }
            + (0..<4).map { #"{"query":"b\#($0)","source":"b.jsonl"}"# }
            + [#"{"query":"a0","source":"book"}"#]))
    try run.folder.write("query\na0\n", to: "a.csv")
    try run.folder.write("{\"query\":\"a0\"}\n", to: "b.jsonl")
    try await run.run(
      Split.self, inputs: ["data[1]": "a.csv", "data[2]": "b.jsonl"], with: ["eval_ratio": .double(0.5)])
    #expect(
      run.messages.contains { $0.contains("(b.jsonl:1 repeats a.csv:2)") || $0.contains("(a.csv:2 repeats b.jsonl:1)") }
    )
  }

  @Test func `too few records for the ratio are an error`() async throws {
    let run = try StageRun()
    try run.folder.write("{\"query\":\"x\"}", to: "data.jsonl")
    #expect(
      await failure { try await run.run(Split.self, inputs: ["data": "data.jsonl"]) }
        == "data.jsonl: error: `train` would be empty: 1 records are too few for these ratios")
  }
}
