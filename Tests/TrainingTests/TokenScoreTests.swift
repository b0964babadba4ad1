/// Language models that judge pairs by a token's logit against sentence-transformers. The models and their golden files are
/// made by Tests/Fixtures/generate/token_score.py.
import CPU
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Models
@testable import Training

@Suite struct TokenScoreTests {
  private let device = CPU(threads: 1)

  private func golden(_ name: String) throws -> (
    folder: URL, pairs: [(query: String, passage: String)], logits: [Float]
  ) {
    let folder = fixtures.appending(path: "token-score/\(name)")
    let file = try Configuration(contentsOf: folder.appending(path: "golden.json"), in: folder)
    let pairs = try #require(file.values["pairs"]?.elements).map { pair in
      (query: pair.elements?[0].string ?? "", passage: pair.elements?[1].string ?? "")
    }
    return (folder, pairs, try #require(file.values["logits"]?.elements).compactMap { $0.double.map { Float($0) } })
  }

  private func expectNear(_ found: [Float], _ expected: [Float]) {
    #expect(found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 }, "\(found)")
  }

  @Test(arguments: ["yes-no", "yes"]) func `logits are those of sentence-transformers, of a pair that is cut, too`(
    name: String
  ) throws {
    let (folder, pairs, logits) = try golden(name)
    let judge = try CrossEncoder(folder: folder, on: device)
    expectNear(try judge.score(pairs), logits)
    #expect(judge.health.truncatedTexts == 1)
  }

  @Test func `what is written of it judges likewise`() throws {
    let (folder, pairs, logits) = try golden("yes")
    let judge = try CrossEncoder(folder: folder, on: device)
    try judge.model.attach(
      lora: LoRASettings(
        r: 2, alpha: 4, dropout: 0, targetModules: ["q_proj"], useRSLoRA: false, modulesToSave: ["score"]),
      seed: 1)
    let scratch = try ScratchFolder()
    try judge.folder.write(judge.model, maxSequenceLength: judge.maxTokens, to: scratch.url)
    expectNear(try CrossEncoder(folder: scratch.url, on: device).score(pairs), logits)
    let config = try Configuration(contentsOf: scratch.url.appending(path: "config.json"), in: scratch.url)
    #expect(config.values["architectures"] == ["Qwen3ForSequenceClassification"] && config.values["pad_token_id"] == 0)
  }

  @Test(arguments: [
    ("1_LogitScore/config.json", "391", "99999"), ("1_LogitScore/config.json", "causal_logits", "states"),
    ("chat_template.jinja", "{%- endfor -%}", ""), ("modules.json", "LogitScore\"", "WordWeights\""),
  ])
  func `a file that says otherwise is refused by name`(file: String, old: String, new: String) throws {
    let scratch = try ScratchFolder()
    let copy = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: golden("yes-no").folder, to: copy)
    let changed = copy.appending(path: file)
    try String(contentsOf: changed, encoding: .utf8).replacing(old, with: new).write(
      to: changed, atomically: true, encoding: .utf8)
    let error = #expect(throws: (any Error).self) { try CrossEncoder(folder: copy, on: device) }
    #expect(error.map { "\($0)" }?.contains(file) == true, "\(String(describing: error))")
  }

  @Test func `it is no encoder`() throws {
    let folder = try CheckpointFolder(golden("yes-no").folder)
    #expect(folder.isCrossEncoder)
    #expect(throws: CheckpointError.self) { try folder.encoder(on: device) }
    let scratch = try ScratchFolder()
    #expect(throws: CheckpointError.self) {
      _ = try folder.writeQuantized(.nf4(block: 64, isDouble: true), to: scratch.url, on: device)
    }
    #expect(throws: CheckpointError.self) {
      try ModelMean([folder, folder], weights: [1, 1]).write(to: scratch.url, on: device)
    }
  }
}
