import CPU
import Foundation
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct GuardTests {
  private let run: StageRun
  private let base = fixtures.appending(path: "pytorch/base").path

  /// Each query is a letter of the passage that answers it.
  init() throws {
    run = try StageRun()
    let letters = ["a b c", "d e", "f g h i", "k l", "m n o", "p q"]
    try QueryGroup.write(
      letters.enumerated().map { number, text in
        QueryGroup(
          id: "q\(number)", query: String(text.prefix(1)), positives: [Passage(id: "p\(number)", text: text)])
      }, to: run.folder.url.appending(path: "groups.jsonl"))
  }

  /// Knows no words any more, only positions.
  private func writeForgetful() throws {
    let folder = run.folder.url.appending(path: "forgetful")
    try FileManager.default.copyItem(at: URL(filePath: base), to: folder)
    let device = CPU(threads: 1)
    let encoder = try CheckpointFolder(folder).encoder(on: device)
    let words = try #require(encoder.weights.first { $0.name.hasSuffix("word_embeddings.weight") })
    words.train()
    words.fp32.fill(0)
    try CheckpointFolder(folder).write(
      encoder, settings: CheckpointFolder(folder).settings, to: run.folder.url.appending(path: "trained"))
  }

  private func guarded(_ parameters: [String: ParameterValue] = [:]) async throws {
    try await run.run(
      Guard.self, inputs: ["model": "trained", "before": base, "data": "groups.jsonl"], with: parameters)
  }

  @Test func `a model that fell by more than it may is judged worse, and handed on as it came`() async throws {
    try writeForgetful()
    try await guarded()
    let fall = try #require(run.metric("fall"))
    #expect(fall > 0.02 && fall == run.metric("before_ndcg@10")! - run.metric("ndcg@10")!)
    #expect(run.verdict?.outcome == .worse)
    #expect(run.messages.contains { $0.hasPrefix("[guard] the model forgot: its nDCG@10 fell by 0.") })
    for file in ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"] {
      let folders = ["trained", "guarded"].map { run.folder.url.appending(path: $0) }
      let contents = try folders.map { try Data(contentsOf: $0.appending(path: file)) }
      #expect(contents[0] == contents[1])
    }
  }

  @Test func `a model that fell by no more than it may is not judged worse`() async throws {
    try writeForgetful()
    try await guarded(["max_fall": .double(1)])
    #expect(run.verdict?.outcome == .unclear)
    #expect(!run.messages.contains { $0.contains("forgot") })
  }

  @Test func `files beside a model that do not count are not handed on`() async throws {
    let counting = ["model.safetensors", "config.json", "tokenizer.json", "extra/notes.json"]
    try FileManager.default.copyItem(at: URL(filePath: base), to: run.folder.url.appending(path: "model"))
    try run.folder.write("{}", to: "model/extra/notes.json")
    try run.folder.write("of somebody else", to: "model/extra/other.bin")
    try await run.run(
      Guard.self, inputs: ["model": "model", "before": base, "data": "groups.jsonl"], counting: ["model": counting])
    let handed = try FileManager.default.subpathsOfDirectory(atPath: run.folder.url.appending(path: "guarded").path)
    #expect(Set(handed) == Set(counting + ["extra"]))
  }

  @Test func `the same model falls by nothing`() async throws {
    try await run.run(Guard.self, inputs: ["model": base, "before": base, "data": "groups.jsonl"])
    #expect(run.metric("fall") == 0 && run.verdict?.outcome == .unclear)
  }
}
