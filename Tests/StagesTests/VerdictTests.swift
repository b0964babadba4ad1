/// What trainings are judged against, and what the judgement says.
import Foundation
import Pipelines
import Synchronization
import TestSupport
import Testing

@testable import Stages
@testable import Training

/// Runs stages one after the other in a folder of its own, and keeps what they report.
private final class Bench: Sendable {
  let folder: ScratchFolder
  private let events = Mutex<[StageEvent]>([])
  init() throws { folder = try ScratchFolder() }
  func url(_ path: String) -> URL { folder.url.appending(path: path) }

  var verdict: Verdict? {
    events.withLock { $0.compactMap { if case .verdict(let verdict) = $0 { verdict } else { nil } }.last }
  }
  var warnings: [String] {
    events.withLock { $0.compactMap { if case .warning(let text) = $0 { text } else { nil } } }
  }
  /// The value of a metric after each epoch.
  func steps(_ name: String) -> [Double] {
    events.withLock {
      $0.compactMap { if case .metric(name, let value, step: .some) = $0 { value } else { nil } }
    }
  }

  func run<S: Stage>(
    _ kind: S.Type, _ inputs: [String: String], _ parameters: [String: ParameterValue] = [:], to output: String,
    keeper: (any StateKeeper)? = nil
  ) async throws {
    events.withLock { $0 = [] }
    try FileManager.default.createDirectory(at: url("scratch"), withIntermediateDirectories: true)
    let port = try #require(S.description.outputs.first?.name)
    let stage = try S.bound(
      to: StageBinding(
        inputs: inputs.mapValues { BoundArtifact(url: url($0)) }, parameters: parameters,
        outputs: Dictionary(
          uniqueKeysWithValues: S.description.outputs.map {
            ($0.name, $0.name == port ? url(output) : url("\(output).\($0.name)"))
          }), seed: 3))
    try #require(stage.problems() == [])
    try await stage.run(
      StageContext(
        Compute(), scratch: url("scratch"), keeper: keeper
      ) { event in self.events.withLock { $0.append(event) } })
  }

  /// Twelve queries about three passages. Every query shares a word with its own passage, so that BM25 orders all of
  /// them rightly; where it is `misleading`, with one that does not answer it.
  func prepare(misleading: Bool = false) async throws {
    let subjects = ["forest", "market", "river"]
    let passages = subjects.map { Passage(id: $0, text: "all that is known of the \($0)") }
    let groups = (0..<12).map { index in
      let own = passages[index % 3]
      let shared = subjects[misleading ? (index + 1) % 3 : index % 3]
      return QueryGroup(
        id: "q\(index)", query: "what about \(shared) number \(index)", positives: [own],
        negatives: passages.filter { $0.id != own.id })
    }
    try QueryGroup.write(groups, to: url("groups.jsonl"))
    try Passage.write(passages + [Passage(id: "desert", text: "sand")], to: url("corpus.jsonl"))
    try Passage.write(Array(passages.dropLast()), to: url("short.jsonl"))
    try CandidateList.write(groups.map(CandidateList.init(given:)), to: url("candidates.jsonl"))
    try await run(
      Initialise.self, ["groups": "groups.jsonl"],
      [
        "vocab_size": .int(120), "hidden_size": .int(32), "num_hidden_layers": .int(1), "num_attention_heads": .int(2),
        "intermediate_size": .int(64), "max_position_embeddings": .int(32), "initializer_range": .double(0.1),
      ], to: "base")
  }

  func bytes(_ path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: url(path).path) {
      let file = url(path).appending(path: name)
      if try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory != true {
        files[name] = try Data(contentsOf: file)
      }
    }
    return files
  }
}

private let training: [String: ParameterValue] = ["epochs": .int(1), "batch_size": .int(6), "max_len": .int(32)]
private let labelled = ["train": "groups.jsonl", "validation": "groups.jsonl"]

@Suite struct VerdictTests {
  /// With n differences of one sign and size, 2 of the 2ⁿ choices of signs are as extreme.
  @Test(
    arguments: [
      (Array(repeating: 0.25, count: 6), Array(repeating: 0.75, count: 6), Verdict.Outcome.better, 2.0 / 64),
      (Array(repeating: 0.75, count: 6), Array(repeating: 0.25, count: 6), .worse, 2.0 / 64),
      (Array(repeating: 0.25, count: 5), Array(repeating: 0.75, count: 5), .unclear, 2.0 / 32),
      ([0.5, 0.5, 1], [0.5, 0.5, 1], .unclear, 1), ([0, 1], [1, 0], .unclear, 1),
    ] as [([Double], [Double], Verdict.Outcome, Double)])
  func `the outcome follows from p and the means`(
    start: [Double], end: [Double], outcome: Verdict.Outcome, p: Double
  ) throws {
    let verdict = try #require(Verdict("ndcg@10", start: start, end: end, against: .start))
    #expect(verdict.outcome == outcome)
    #expect(verdict.p == p)
    #expect(verdict.queries == start.count)
    #expect(verdict.start == start.reduce(0, +) / Double(start.count))
    #expect(verdict.end == end.reduce(0, +) / Double(start.count))
  }

  @Test func `the sentence names what it is held against, both means, the queries and p`() {
    func sentence(_ start: Double, _ end: Double, _ p: Double, _ against: Verdict.Start, differing: Int = 90) -> String
    {
      Verdict(metric: "ndcg@10", start: start, end: end, queries: 200, differing: differing, p: p, against: against)
        .sentence
    }
    #expect(
      sentence(0.4321, 0.5512, 0.0003, .start)
        == "better than where it began: nDCG@10 0.4321 → 0.5512 on 200 validation queries (p 0.0003)")
    #expect(
      sentence(0.5, 0.4, 0.00003, .bm25)
        == "worse than BM25: nDCG@10 0.5000 → 0.4000 on 200 validation queries (p < 0.0001)")
    #expect(sentence(0.5, 0.4, 0.06, .firstStage).hasPrefix("no clear difference from its first stage: "))
    #expect(
      sentence(0.5, 0.4, 0.0625, .start, differing: 5).hasSuffix(
        "; 5 of them differ, and fewer than 6 can show nothing: validate on more)"))
    #expect(
      Verdict(metric: "ndcg@10", start: 0, end: 1, queries: 1, differing: 1, p: 1, against: .bm25).claim
        == "It shows no clear difference from BM25: nDCG@10 0.0000 → 1.0000 on 1 validation query "
        + "(p 1.0000; 1 of them differs, and fewer than 6 can show nothing: validate on more)")
    #expect(
      Verdict(metric: "ndcg@10", start: 1, end: 0, queries: 200, differing: 9, p: 0.01, against: .start).claim
        .hasPrefix("It is worse than where it began: "))
    #expect(Verdict("ndcg@10", start: [], end: [], against: .start) == nil)
  }

  @Test func `a student is held against its start, in events alone, and the same wherever it was stopped`() async throws
  {
    let bench = try Bench()
    try await bench.prepare()
    try await bench.run(Teacher.self, ["base": "base", "train": "groups.jsonl"], ["epochs": .int(0)], to: "teacher")
    #expect(bench.verdict == nil)
    try await bench.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    let parameters = training.merging([
      "epochs": .int(12), "K": .int(3), "lr": .double(1e-2), "kl_weight": .double(0), "contrastive": .string("infonce"),
      "contrastive_weight": .double(1), "negative_penalty_weight": .double(0),
    ]) { $1 }
    let inputs = ["base": "base", "scores": "scores.jsonl", "validation": "groups.jsonl"]
    try await bench.run(Distill.self, inputs, parameters, to: "student")
    let verdict = try #require(bench.verdict)
    let best = try #require(bench.steps("validation_ndcg@10").max())
    #expect(verdict.outcome == .better && verdict.against == .start && verdict.queries == 12 && verdict.p < 0.05)
    #expect(abs(verdict.end - best) < 1e-12)
    // The start is the base as `evaluate` finds it.
    try await bench.run(Evaluate.self, ["model": "base", "data": "groups.jsonl"], to: "results")
    let text = try Data(contentsOf: bench.url("results"))
    let json = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(abs(verdict.start - (try #require((json["ranking"] as? [String: Any])?["ndcg@10"] as? Double))) < 1e-12)

    let stopped = MomentKeeper(limit: 9)
    await #expect(throws: StageInterrupted.self) {
      try await bench.run(Distill.self, inputs, parameters, to: "stopped", keeper: stopped)
    }
    #expect(bench.verdict == nil)
    try await bench.run(Distill.self, inputs, parameters, to: "resumed", keeper: MomentKeeper(start: stopped.saved))
    #expect(bench.verdict == verdict)
    #expect(try bench.bytes("resumed") == bench.bytes("student"))
  }

  @Test func `a new head is held against the first stage's order, not against chance`() async throws {
    let bench = try Bench()
    try await bench.prepare()
    let inputs = labelled.merging(["base": "base"]) { $1 }
    // Every query's word stands in its own passage alone.
    try await bench.run(Teacher.self, inputs, training, to: "teacher")
    let lexical = try #require(bench.verdict)
    #expect(lexical.against == .bm25 && lexical.start == 1 && lexical.outcome == .worse)
    // Of an encoder with random weights: what evaluate finds over the same passages.
    try await bench.run(Teacher.self, inputs.merging(["first_stage": "base"]) { $1 }, training, to: "other")
    let dense = try #require(bench.verdict)
    #expect(dense.against == .firstStage && dense.end == lexical.end)
    try await bench.run(Evaluate.self, ["model": "base", "data": "groups.jsonl"], to: "results")
    #expect(abs(dense.start - bench.ndcg("results")) < 1e-12)
    #expect(try bench.bytes("other") == bench.bytes("teacher"))

    // One that goes on is held against itself.
    try await bench.run(
      Teacher.self, labelled.merging(["base": "teacher", "first_stage": "base"]) { $1 }, training, to: "more")
    let more = try #require(bench.verdict)
    #expect(more.against == .start && abs(more.start - lexical.end) < 1e-12)
    #expect(bench.warnings.contains { $0.contains("`first_stage` is not used") })
  }

  @Test func `where words mislead, a teacher that learned the labels is better than BM25`() async throws {
    let bench = try Bench()
    try await bench.prepare(misleading: true)
    let parameters = training.merging(["epochs": .int(150), "lr": .double(1e-2), "best_metric": .string("ndcg@10")]) {
      $1
    }
    try await bench.run(Teacher.self, labelled.merging(["base": "base"]) { $1 }, parameters, to: "teacher")
    let verdict = try #require(bench.verdict)
    // Behind the passage that shares the word stand two that tie, by id descending: ranks 3, 2, 2 of the positives.
    #expect(abs(verdict.start - (1 / log2(4) + 2 / log2(3)) / 3) < 1e-12)
    #expect(verdict.outcome == .better)
  }

  @Test func `with a corpus validation ranks what evaluate ranks`() async throws {
    let bench = try Bench()
    try await bench.prepare()
    let corpus = ["corpus": "corpus.jsonl"]
    try await bench.run(
      Teacher.self, labelled.merging(["base": "base", "corpus": "corpus.jsonl", "first_stage": "base"]) { $1 },
      training.merging(["rerank": .int(2)]) { $1 }, to: "teacher")
    let verdict = try #require(bench.verdict)
    try await bench.run(
      Evaluate.self, ["model": "base", "data": "groups.jsonl"].merging(corpus) { $1 }, to: "first")
    #expect(abs(verdict.start - bench.ndcg("first")) < 1e-12)
    try await bench.run(
      Evaluate.self, ["model": "teacher", "data": "groups.jsonl", "first_stage": "base"].merging(corpus) { $1 },
      ["rerank": .int(2)], to: "reranked")
    #expect(abs(verdict.end - bench.ndcg("reranked")) < 1e-12)

    try await bench.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    let student = ["base": "base", "scores": "scores.jsonl", "validation": "groups.jsonl"].merging(corpus) { $1 }
    try await bench.run(Distill.self, student, training.merging(["K": .int(3)]) { $1 }, to: "student")
    let distilled = try #require(bench.verdict)
    #expect(abs(distilled.start - verdict.start) < 1e-12)
    try await bench.run(
      Evaluate.self, ["model": "student", "data": "groups.jsonl"].merging(corpus) { $1 }, to: "second")
    #expect(abs(distilled.end - bench.ndcg("second")) < 1e-12)

    let lacking = await failure {
      try await bench.run(
        Distill.self, student.merging(["corpus": "short.jsonl"]) { $1 }, training.merging(["K": .int(3)]) { $1 },
        to: "x")
    }
    #expect(
      lacking.hasPrefix("groups.jsonl:3: error: the positive `river` of query `q2` is not in the corpus short.jsonl"))
  }

  @Test func `what only validation uses is refused without it`() throws {
    let nowhere = BoundArtifact(url: URL(filePath: "/"))
    let stage = try Teacher.bound(
      to: StageBinding(
        inputs: [
          "base": nowhere, "train": BoundArtifact(url: nowhere.url, type: .groups), "corpus": nowhere,
          "first_stage": nowhere,
        ], parameters: ["early_stopping": .map([:])], outputs: ["model": nowhere.url], seed: 1))
    #expect(
      stage.problems().map { String($0.prefix(24)) } == [
        "`early_stopping` goes by", "the port `corpus` is for", "the port `first_stage` i",
      ])
  }

  @Test func `a teacher that cannot tell, and scores that are all alike, are told of with what to try`() async throws {
    let bench = try Bench()
    try await bench.prepare()
    try await bench.run(
      Teacher.self, labelled.merging(["base": "base"]) { $1 }, training.merging(["lr": .double(0)]) { $1 },
      to: "teacher")
    let told = try #require(bench.warnings.first { $0.contains("its AUC is") })
    #expect(
      bench.warnings.count { $0.contains("AUC") } == 1 && told.contains("95 % interval") && told.contains("; try"))
    // A head of zeros gives every pair the same logit.
    let file = bench.url("teacher/model.safetensors")
    var bytes = try Data(contentsOf: file)
    let length = Int(bytes.prefix(8).enumerated().reduce(0) { $0 + UInt64($1.element) << (8 * $1.offset) })
    let header = try #require(
      try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: [String: Any]])
    for (name, tensor) in header where name.hasPrefix("classifier.") {
      let range = try #require(tensor["data_offsets"] as? [Int])
      bytes.resetBytes(in: 8 + length + range[0]..<8 + length + range[1])
    }
    try bytes.write(to: file)
    try await bench.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    #expect(
      bench.warnings.contains {
        $0.hasPrefix("[score] all 36 scores are alike: mean 0.5000, standard deviation 0.0000; ")
      })
  }

  @Test func `a student that no longer looks at queries is told of once`() async throws {
    let bench = try Bench()
    try await bench.prepare()
    try await bench.run(Teacher.self, ["base": "base", "train": "groups.jsonl"], ["epochs": .int(0)], to: "teacher")
    try await bench.run(Score.self, ["teacher": "teacher", "candidates": "candidates.jsonl"], to: "scores.jsonl")
    // The penalty alone is least where every passage is far from every query, whatever they say.
    let parameters = training.merging([
      "epochs": .int(60), "K": .int(3), "lr": .double(2e-2), "kl_weight": .double(0), "contrastive_weight": .double(0),
      "negative_penalty_weight": .double(1), "negative_target": .double(0),
    ]) { $1 }
    try await bench.run(
      Distill.self, ["base": "base", "scores": "scores.jsonl", "validation": "groups.jsonl"], parameters, to: "student")
    #expect(bench.warnings.count { $0.contains("of 12 validation queries 12 find the same passage first, `") } == 1)
  }

  /// Of chance alone the variance is that of Mann and Whitney's statistic: (m + n + 1)/(12·m·n).
  @Test(arguments: [(10, 10), (5, 300), (1, 1)])
  func `the interval at an AUC of one half is that of chance`(positives: Int, negatives: Int) {
    let (m, n) = (Double(positives), Double(negatives))
    let expected = 1.96 * ((m + n + 1) / (12 * m * n)).squareRoot()
    #expect(abs(halfInterval(ofAUC: 0.5, positives: positives, negatives: negatives) - expected) < 1e-12)
    #expect(halfInterval(ofAUC: 1, positives: positives, negatives: negatives) == 0)
  }
}

extension Bench {
  fileprivate func ndcg(_ results: String) -> Double {
    let json = try? JSONSerialization.jsonObject(with: Data(contentsOf: url(results))) as? [String: Any]
    return (json?["ranking"] as? [String: Any])?["ndcg@10"] as? Double ?? .nan
  }
}

/// Ends the stage at a moment, with its state in memory.
private final class MomentKeeper: StateKeeper {
  private let limit: Int
  private let start: SavedState?
  private let state = Mutex<(moments: Int, saved: SavedState?)>((0, nil))

  init(limit: Int = .max, start: SavedState? = nil) {
    self.limit = limit
    self.start = start
  }
  var saved: SavedState? { state.withLock { $0.saved } }
  var latest: SavedPlace? { nil }
  func takeStart() -> SavedState? { start }
  func reached(step: Int, _ make: () throws -> SavedState?) throws {
    let ends = state.withLock { state in
      state.moments += 1
      return state.moments == limit
    }
    guard ends, var copy = try make() else { return }
    copy.tensors = copy.tensors.map { Data(Array($0)) }
    state.withLock { [copy] in $0.saved = copy }
    throw StageInterrupted(latest: nil)
  }
  func finished(_ make: () throws -> SavedState?) throws {}
}
