/// The `perplexity` stage against transformers and peft. Models and golden file: Tests/Fixtures/generate/perplexity.py.
import Artifacts
import Foundation
import JSONText
import Pipelines
import TestSupport
import Testing

@testable import Stages

/// Largest relative error of a perplexity in fp32.
private let tolerance = 1e-4

@Suite struct PerplexityTests {
  private let run: StageRun
  private let folder = fixtures.appending(path: "perplexity")

  init() throws { run = try StageRun() }

  private func inputs(_ model: String = "qwen3", _ others: [String: String] = [:]) -> [String: String] {
    let inputs = [
      "model": folder.appending(path: model).path, "data": folder.appending(path: "questions.jsonl").path,
      "passages": folder.appending(path: "passages.jsonl").path,
    ]
    return inputs.merging(others) { $1 }
  }

  private func score(
    _ inputs: [String: String], _ parameters: [String: ParameterValue] = [:], earlier: [[String: EarlierOutput]] = []
  ) async throws -> [ScoredList] {
    try await run.run(Perplexity.self, inputs: inputs, with: parameters, earlier: earlier)
    return try ScoredList.read(run.folder.url.appending(path: "scores"))
  }

  private func golden(_ name: String) throws -> (baseline: [Double], context: [[Double]]) {
    let value = try json(folder.appending(path: "golden.json"))
    let numbers = { (value: JSONValue?) in value?.elements?.compactMap(\.double) ?? [] }
    return (numbers(value[name]?["baseline"]), value[name]?["context"]?.elements?.map { numbers($0) } ?? [])
  }

  private func json(_ url: URL) throws -> JSONValue {
    try Data(contentsOf: url).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  @Test(arguments: ["llama", "qwen3", "gemma3", "adapter"])
  func `perplexities equal those of transformers`(name: String) async throws {
    let adapter = ["base": folder.appending(path: "qwen3").path]
    let lists = try await score(inputs(name, name == "adapter" ? adapter : [:]))
    let golden = try golden(name)
    for (list, (baseline, context)) in zip(lists, zip(golden.baseline, golden.context)) {
      #expect(abs(Double(list.baselinePerplexity ?? 0) / baseline - 1) < tolerance)
      for (candidate, expected) in zip(list.candidates, context) {
        let found = Double(candidate.perplexity ?? 0)
        #expect(abs(found / expected - 1) < tolerance, "\(list.id)/\(candidate.candidate.passage.id)")
        #expect(abs(Double(candidate.logit) - log(baseline / expected)) < 1e-3)
      }
    }
    #expect(lists.map(\.id) == ["q1", "q2", "q3"] && lists.allSatisfy { $0.candidates.count == 4 })
    #expect(
      lists.map { $0.candidates.filter(\.candidate.isPositive).map(\.candidate.passage.id) } == [
        ["p1"], ["p2"], ["p3"],
      ])
  }

  @Test func `results have the fields of the first users' files, ranked by perplexity`() async throws {
    let lists = try await score(inputs(), ["top_k": .int(2)])
    let results = try json(run.folder.url.appending(path: "results")).elements ?? []
    #expect(results.count == 3)
    for (result, list) in zip(results, lists) {
      #expect(
        result.members?.map(\.key)
          == ["Question_ID", "Question", "Answer", "baseline_ppl", "Top-3_Lowest_context_PPL"])
      let best = try #require(result["Top-3_Lowest_context_PPL"]?.elements)
      let perplexities = list.candidates.compactMap(\.perplexity).sorted()
      #expect(best.compactMap { $0["context_ppl"]?.float } == Array(perplexities.prefix(2)))
      let baseline = try #require(result["baseline_ppl"]?.double)
      for (place, entry) in best.enumerated() {
        #expect(
          entry.members?.map(\.key) == [
            "rank", "rule_id", "category", "title", "description", "context_ppl", "delta_ppl", "improvement_ratio",
          ])
        #expect(entry["rank"]?.int == place + 1 && entry["title"]?.string?.hasPrefix("제") == true)
        let (context, delta) = (try #require(entry["context_ppl"]?.double), try #require(entry["delta_ppl"]?.double))
        #expect(abs(delta - (baseline - context)) < 1e-3 * baseline)
        #expect(abs(try #require(entry["improvement_ratio"]?.double) - delta / baseline) < 1e-5)
      }
    }
    #expect(run.metric("accuracy@10") == 1 && run.metric("pairs") == 12)
  }

  @Test func `a query may be what is scored, and candidates may be all that are`() async throws {
    let groups = [
      QueryGroup(
        id: "g", query: "질문이다", positives: [Passage(id: "a", text: "조사는 붙인다")],
        negatives: [Passage(id: "b", text: "띄어 쓴다")])
    ]
    try QueryGroup.write(groups, to: run.folder.url.appending(path: "groups.jsonl"))
    try RankedPassage.write(
      [
        RankedPassage(
          id: "g", rank: 1, passage: "b", title: nil, text: "x", score: 1, rerankScore: nil, probability: nil)
      ],
      to: run.folder.url.appending(path: "hits.jsonl"))
    var bound = inputs("gemma3", ["data": "groups.jsonl"])
    bound["passages"] = nil
    let all = try await score(bound, ["target": .string("query")])
    #expect(all.map { $0.candidates.map(\.candidate.passage.id) } == [["a", "b"]] && all[0].answer == nil)
    bound["candidates"] = "hits.jsonl"
    let some = try await score(bound, ["target": .string("query")])
    #expect(some.map { $0.candidates } == [[all[0].candidates[1]]])
    #expect(run.metrics("accuracy@1").last == 0)
  }

  @Test func `what an earlier result has is taken from it`() async throws {
    _ = try await score(inputs())
    let bytes = try Data(contentsOf: run.folder.url.appending(path: "scores"))
    let earlier = run.folder.url.appending(path: "earlier.jsonl")
    let halved = try ScoredList.read(run.folder.url.appending(path: "scores")).prefix(2)
    try ScoredList.write(halved, to: earlier)
    let output = EarlierOutput(
      artifact: try SourceHasher(memory: KnownStamps()).hash(earlier).artifact, url: earlier)
    _ = try await score(inputs(), earlier: [["scores": output]])
    #expect(try Data(contentsOf: run.folder.url.appending(path: "scores")) == bytes)
    #expect(run.messages.last { $0.contains("Reused") }?.contains("Reused: 10") == true)
  }

  @Test func `a passage is cut where it does not fit, and a target that does not fit is an error`() async throws {
    let lists = try await score(inputs(), ["max_len": .int(64)])
    #expect(lists.count == 3 && run.messages.contains { $0.contains("passages were cut to fit") })
    let message = await failure { try await self.score(self.inputs(), ["max_len": .int(8)]) }
    #expect(message.contains("query `q1`: 25 tokens, 14 of them what is scored, do not fit into 8"))
  }

  @Test func `a chat template makes the prompt, and its faults are told with their place`() async throws {
    let model = run.folder.url.appending(path: "model")
    try FileManager.default.copyItem(at: folder.appending(path: "gemma3"), to: model)
    let template = model.appending(path: "chat_template.jinja")
    try Data(
      "{{ bos_token }}{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}".utf8
    ).write(to: template)
    let chat = try await score(
      inputs("", ["model": "model"]),
      ["chat": .bool(true), "system": .string("S"), "prompt": .string("{passage}|{query}")])
    let plain = try await score(
      inputs("gemma3"),
      ["prompt": .string("system=S;user={passage}|{query};"), "baseline_prompt": .string("system=S;user={query}\n;")])
    #expect(chat == plain)
    try Data("a\n{{ messages | oops }}".utf8).write(to: template)
    let message = await failure {
      try await self.score(self.inputs("", ["model": "model"]), ["chat": .bool(true)])
    }
    #expect(message.contains("chat_template.jinja: the chat template, line 2, column 15: there is no filter `oops`"))
  }

  @Test func `what is bound or said amiss is an error with its reason`() async throws {
    try Data(#"{"id":"1","question":"질문"}"#.utf8).write(to: run.folder.url.appending(path: "bare.jsonl"))
    let message = await failure { try await self.score(self.inputs("qwen3", ["data": "bare.jsonl"])) }
    #expect(message.contains("bare.jsonl:1") && message.contains("no field `answer`"))
    var unbound = inputs()
    unbound["passages"] = nil
    let lacking = await failure { try await self.score(unbound) }
    #expect(lacking.contains("bind what they are scored with to the port `passages`"))
    let empty = await failure { try await self.score(self.inputs(), ["baseline_prompt": .string("")]) }
    #expect(empty.contains("query `q1`: the prompt has no token"))
  }
}
