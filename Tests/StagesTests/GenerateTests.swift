/// `generate` on a tiny language model: its lines, bytes after an attempt that was cut off, rows of earlier results.
import Artifacts
import Foundation
import JSONText
import Pipelines
import Synchronization
import TestSupport
import Testing

@testable import Stages

@Suite struct GenerateTests {
  private let folder: ScratchFolder
  private static let model = fixtures.appending(path: "generation/qwen2")

  init() throws {
    folder = try ScratchFolder()
    try write(["q1", "q2", "q3", "q4", "q5"])
  }

  private func url(_ path: String) -> URL { folder.url.appending(path: path) }

  private func write(_ ids: [String]) throws {
    let lines = ids.map { #"{"id": "\#($0)", "query": "\#($0) 가?"}"# + "\n" }
    try Data(lines.joined().utf8).write(to: url("prompts.jsonl"))
  }

  /// - Returns: what is in the output, and what it told.
  @discardableResult
  private func generate(
    _ others: [String: ParameterValue] = [:], scratch: String = UUID().uuidString, threads: Int = 1,
    earlier: [[String: EarlierOutput]] = []
  ) async throws -> (output: Data, told: String) {
    try FileManager.default.createDirectory(at: url(scratch), withIntermediateDirectories: true)
    let parameters: [String: ParameterValue] = ["max_new_tokens": .int(12), "samples": .int(3)]
    let stage = try Generate.bound(
      to: StageBinding(
        inputs: ["model": BoundArtifact(url: Self.model), "prompts": BoundArtifact(url: url("prompts.jsonl"))],
        parameters: parameters.merging(others) { $1 }, outputs: ["completions": url("completions")], seed: 3))
    #expect(stage.problems() == [])
    let told = Mutex<[String]>([])
    let context = StageContext(Compute(threads: threads, memory: 1 << 30), scratch: url(scratch), earlier: earlier) {
      event in
      switch event {
      case .log(let line), .warning(let line): told.withLock { $0.append(line) }
      default: break
      }
    }
    try await stage.run(context)
    return (try Data(contentsOf: url("completions")), told.withLock { $0.joined(separator: "\n") })
  }

  @Test func `each prompt has its completions, in the prompts' order`() async throws {
    let (output, told) = try await generate()
    let lines = try String(decoding: output, as: UTF8.self).split(separator: "\n").map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(lines.map { $0["id"] as? String } == ["q1", "q2", "q3", "q4", "q5"].flatMap { [$0, $0, $0] })
    #expect(lines.map { $0["sample"] as? Int } == (1...5).flatMap { _ in [1, 2, 3] })
    #expect(lines[0]["prompt"] as? String == "<begin>user\nq1 가?<end><begin>assistant\n")
    for line in lines {
      let tokens = try #require(line["tokens"] as? Int)
      let logProbability = try #require(line["logprob"] as? Double)
      #expect((1...12).contains(tokens) && logProbability < 0)
      #expect(tokens == 12 || line["finish_reason"] as? String == "stop")
    }
    #expect(told.contains("Prompts: 5 | Completions: 15"))
  }

  @Test func `an attempt that was cut off is gone on with, to the same bytes`() async throws {
    let whole = try await generate(scratch: "whole").output
    let log = try Data(contentsOf: url("whole/completions.jsonl"))
    let ends = log.indices.filter { log[$0] == 0x0A }
    for (cut, resumed) in [(0, 0), (ends[0] + 5, 0), (ends[2] + 1, 1), (ends[7] - 3, 2), (log.count, 5)] {
      let scratch = "cut-\(cut)"
      try FileManager.default.createDirectory(at: url(scratch), withIntermediateDirectories: true)
      try log.prefix(cut).write(to: url("\(scratch)/completions.jsonl"))
      let (output, told) = try await generate(scratch: scratch, threads: 2)
      #expect(output == whole)
      #expect(told.contains("Resumed: \(resumed) "), "\(told)")
    }
    #expect(Generate.description.resumes)
  }

  @Test func `completions of prompts that an earlier result has are taken from there`() async throws {
    let whole = try await generate().output
    try write(["q5", "q2"])
    _ = try await generate()
    try FileManager.default.moveItem(at: url("completions"), to: url("earlier.jsonl"))
    let earlier = EarlierOutput(
      artifact: try SourceHasher(memory: KnownStamps()).hash(url("earlier.jsonl")).artifact, url: url("earlier.jsonl"))
    try write(["q1", "q2", "q3", "q4", "q5"])
    let (output, told) = try await generate(earlier: [["completions": earlier]])
    #expect(output == whole)
    #expect(told.contains("Reused: 2 "))
  }

  @Test func `prompts that are too long are told of, and are an error where no other is there`() async throws {
    let long = String(repeating: "가나다 ", count: 20)
    let lines = ##"{"id": "short", "query": "a"}"## + "\n" + ##"{"id": "long", "query": "\##(long)"}"##
    try Data(lines.utf8).write(to: url("prompts.jsonl"))
    let told = try await generate().told
    #expect(told.contains("1 of 2 prompts of ") && told.contains("the longest, of `long`"))
    let refused = await failure { try await generate(["max_len": .int(20)]).told }
    #expect(refused.contains("no prompt leaves room"))
  }

  @Test func `a chat that goes on with the last turn, and prompts without a chat`() async throws {
    let open = try await generate(["add_generation_prompt": .bool(false)]).output
    #expect(String(decoding: open, as: UTF8.self).contains(#""prompt":"<begin>user\nq1 가?<end>""#))
    let plain = try await generate(["chat": .bool(false), "prompt": .string("[{query}]")]).output
    #expect(String(decoding: plain, as: UTF8.self).contains(#""prompt":"[q1 가?]""#))
  }
}
