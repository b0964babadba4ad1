/// `grpo` on a tiny language model: bytes after interruptions and on more threads, what it reports, what it refuses.
import Foundation
import JSONText
import Pipelines
import Synchronization
import TestSupport
import Testing

@testable import Stages

@Suite struct GRPOTests {
  private let folder: ScratchFolder
  private static let model = fixtures.appending(path: "perplexity/qwen3")

  init() throws {
    folder = try ScratchFolder()
    try Data(
      """
      {"id": "q1", "question": "가?", "answer": "나", "type": "A"}
      {"id": "q2", "question": "the cat?", "answer": "mat", "type": "B"}
      {"id": "q3", "question": "a b", "answer": "c d", "type": "A"}

      """.utf8
    ).write(to: url("prompts.jsonl"))
    try Data(
      """
      import json, sys
      for line in sys.stdin:
          text = json.loads(line)["completion"]
          print(sum(c < "\\x80" for c in text) / max(1, len(text)))

      """.utf8
    ).write(to: url("reward.py"))
  }

  private func url(_ path: String) -> URL { folder.url.appending(path: path) }

  private func parameters(_ others: [String: ParameterValue] = [:]) -> [String: ParameterValue] {
    let own: [String: ParameterValue] = [
      "rewards": .list([
        .map(["cmd": .string("python3 \"$script\"")]),
        .map(["length": .map(["between": .list([.int(1), .int(12)]), "weight": .double(0.1)])]),
      ]), "chat": .bool(false), "max_new_tokens": .int(5), "num_generations": .int(4), "batch_size": .int(2),
      "epochs": .int(2), "lr": .double(1e-2), "max_len": .int(64), "outcome": .string("length"), "redraws": .int(1),
      "lora": .map(["r": .int(4), "alpha": .double(8), "dropout": .double(0)]),
    ]
    return own.merging(others) { $1 }
  }

  /// What it reported: metrics by name, and lines.
  private final class Reports: Sendable {
    let metrics = Mutex<[String: [Double]]>([:])
    let lines = Mutex<[String]>([])
  }

  @discardableResult
  private func train(
    _ name: String, _ others: [String: ParameterValue] = [:], _ inputs: [String: String] = [:], threads: Int = 1,
    keeper: (any StateKeeper)? = nil
  ) async throws -> Reports {
    try FileManager.default.createDirectory(at: url("\(name)-scratch"), withIntermediateDirectories: true)
    let all = ["base": Self.model.path, "prompts": "prompts.jsonl", "script": "reward.py"].merging(inputs) { $1 }
    let stage = try GRPO.bound(
      to: StageBinding(
        inputs: all.mapValues { BoundArtifact(url: $0.hasPrefix("/") ? URL(filePath: $0) : url($0)) },
        parameters: parameters(others),
        outputs: ["model": url("\(name)-model"), "completions": url("\(name).jsonl")], seed: 3))
    #expect(stage.problems() == [])
    let reports = Reports()
    let context = StageContext(
      Compute(threads: threads, memory: 1 << 30), scratch: url("\(name)-scratch"), keeper: keeper
    ) { event in
      switch event {
      case .metric(let metric, let value, _): reports.metrics.withLock { $0[metric, default: []].append(value) }
      case .log(let line), .warning(let line): reports.lines.withLock { $0.append(line) }
      default: break
      }
    }
    try await stage.run(context)
    return reports
  }

  private func bytes(_ name: String) throws -> [Data] {
    try [
      Data(contentsOf: url("\(name)-model/model.safetensors")),
      Data(contentsOf: url("\(name)-model/adapter/adapter_model.safetensors")), Data(contentsOf: url("\(name).jsonl")),
    ]
  }

  @Test(arguments: [
    ["num_iterations": ParameterValue.int(2), "beta": .double(0.1)],
    ["accumulation": .int(2), "scale_rewards": .string("batch")],
  ])
  func `wherever it is stopped, model and completions have the same bytes`(
    others: [String: ParameterValue]
  ) async throws {
    let validation = ["validation": "prompts.jsonl"]
    let whole = MemoryKeeper()
    try await train("whole", others, validation, keeper: whole)
    #expect(whole.moments > 4)
    for moment in 1...whole.moments {
      let (name, stopped) = ("stopped-\(moment)", MemoryKeeper(limit: moment))
      await #expect(throws: StageInterrupted.self) { try await train(name, others, validation, keeper: stopped) }
      // Another attempt finds what the stopped one left, and more than its state knows of.
      try Data("{\"half\": ".utf8).append(to: url("\(name)-scratch/completions.jsonl"))
      try await train(name, others, validation, keeper: MemoryKeeper(start: stopped.saved))
      #expect(try bytes(name) == bytes("whole"), "moment \(moment)")
    }
  }

  @Test func `threads change no byte`() async throws {
    try await train("one")
    try await train("two", threads: 2)
    #expect(try bytes("one") == bytes("two"))
  }

  @Test func `what is learnt from was sampled bit for bit with the same probabilities`() async throws {
    let reports = try await train("run", ["temperature": .double(0.7), "beta": .double(0.1)])
    let metrics = reports.metrics.withLock { $0 }
    #expect(metrics["off_policy"] == [0, 0, 0, 0])
    #expect(metrics["ratio"] == [1, 1, 1, 1])
    // Before the first step the adapters change nothing.
    #expect(metrics["kl"]?.first == 0 && metrics["kl"]?.last ?? 0 > 0)
  }

  @Test func `rewards rise, and completions tell what was rewarded`() async throws {
    let reports = try await train("run", ["epochs": .int(12), "lr": .double(3e-2), "num_generations": .int(8)])
    let rewards = try #require(reports.metrics.withLock { $0["cmd.reward"] })
    let (early, late): (Double, Double) = (rewards.prefix(3).reduce(0, +), rewards.suffix(3).reduce(0, +))
    #expect(late > early + 0.3)
    let lines = try String(contentsOf: url("run.jsonl"), encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 12 * 3 * 8)
    let first = try Array(lines[0].utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    #expect(
      first.members?.map(\.key) == [
        "id", "epoch", "sample", "completion", "reward", "rewards", "tokens", "logprob", "finish_reason",
      ])
    #expect(first["rewards"]?.members?.map(\.key) == ["cmd", "length"])
    let parts = try #require(first["rewards"])
    let sum: Double = (parts["cmd"]?.double ?? 0) + 0.1 * (parts["length"]?.double ?? 0)
    #expect(first["reward"]?.double == sum)
  }

  @Test func `validation says whether the model answers better than where it began`() async throws {
    let reports = try await train("run", [:], ["validation": "prompts.jsonl"])
    let metrics = reports.metrics.withLock { $0 }
    #expect(metrics["validation_reward"]?.count == 3 && metrics["validation_cmd.reward"]?.count == 3)
    #expect(metrics.keys.allSatisfy { GRPO.description.metric($0) != nil }, "a stage declares what it reports")
  }

  @Test func `the whole model trains, too, beside a copy that it is held against`() async throws {
    let reports = try await train("run", ["lora": .null, "beta": .double(0.1), "lr": .double(1e-3)])
    let metrics = reports.metrics.withLock { $0 }
    #expect(metrics["off_policy"] == [0, 0, 0, 0])
    #expect(metrics["kl"]?.first == 0 && metrics["kl"]?.last ?? 0 > 0)
    #expect(FileManager.default.fileExists(atPath: url("run-model/model.safetensors").path))
  }

  @Test func `a prompt that is too long is left out and counted, and no prompt at all is an error`() async throws {
    let reports = try await train("run", ["max_len": .int(11), "max_new_tokens": .int(4)])
    #expect(reports.lines.withLock { $0.contains { $0.contains("1 of 3 prompts of prompts.jsonl are left out") } })
    await #expect { try await train("none", ["max_len": .int(6), "max_new_tokens": .int(5)]) } throws: {
      "\($0)".contains("no prompt leaves room for 5 new tokens within 6")
    }
  }

  @Test func `rewards that cannot tell answers apart end it before anything is trained`() async throws {
    let flat = ParameterValue.list([.map(["cmd": .string("sed 's/.*/1/'")])])
    await #expect { try await train("run", ["rewards": flat, "outcome": .null, "redraws": .int(0)]) } throws: {
      "\($0)".contains("the reward `cmd` gives every answer 1.0000: it tells none from another")
    }
  }

  @Test func `what cannot work is a problem of the file`() throws {
    let stage = try GRPO.bound(
      to: StageBinding(
        inputs: ["base": BoundArtifact(url: Self.model), "prompts": BoundArtifact(url: url("prompts.jsonl"))],
        parameters: [
          "rewards": .string("grammar-answers"), "lora": .map([:]), "hidden_dropout": .double(0.1),
          "temperature": .int(0), "num_iterations": .int(2), "accumulation": .int(2), "loss_type": .string("cispo"),
          "few_shot": .int(2),
        ], outputs: ["model": url("model"), "completions": url("completions")], seed: 1))
    let problems = stage.problems()
    for expected in [
      "needs a model at the port `bert`", "`lora.dropout` is 0.1, and has to be said to be 0", "`hidden_dropout`",
      "`temperature: 0`", "`num_iterations` above 1", "`epsilon_high`", "`few_shot` needs records",
    ] {
      #expect(problems.contains { $0.contains(expected) }, "\(expected)")
    }
    #expect(problems.count == 7)
  }
}

extension Data {
  fileprivate func append(to file: URL) throws {
    let handle = try FileHandle(forUpdating: file)
    try handle.seekToEnd()
    try handle.write(contentsOf: self)
    try handle.close()
  }
}
