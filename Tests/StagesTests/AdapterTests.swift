/// Stages with adapters that sentence-transformers made, over their bases, and what students are written as.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct AdapterTests {
  private let run: StageRun
  private let adapter = fixtures.appending(path: "adapters/sentence-transformer")
  private let base = fixtures.appending(path: "models/sentence-transformer")
  private let golden: Golden

  /// Made by Tests/Fixtures/generate/adapters.py.
  private struct Golden: Decodable {
    let texts: [String]
    let values: [[Float]]
  }

  init() throws {
    run = try StageRun()
    golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: adapter.appending(path: "golden.json")))
    try Passage.write(
      golden.texts.enumerated().map { Passage(id: "\($0)", text: $1) },
      to: run.folder.url.appending(path: "texts.jsonl"))
    try run.folder.write(
      #"{"id": "q", "query": "a", "candidates": [{"id": "p", "text": "b", "label": 1, "source": "positive", "#
        + #""logit": 1.5, "score": 0.8}, {"id": "n", "text": "c", "label": 0, "source": "given", "logit": -1, "#
        + #""score": 0.3}]}"# + "\n", to: "scores.jsonl")
  }

  private func expectVectors(_ inputs: [String: String], within tolerance: Float) async throws {
    try await run.run(Embed.self, inputs: inputs.merging(["texts": "texts.jsonl"]) { $1 })
    let file = try SafeTensors(contentsOf: run.folder.url.appending(path: "embeddings/embeddings.safetensors"))
    let (found, expected) = (try file.floats("embeddings"), golden.values.flatMap(\.self))
    #expect(found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < tolerance })
  }

  @Test func `texts are embedded by an adapter over its base as by sentence-transformers`() async throws {
    try await expectVectors(["model": adapter.path, "base": base.path], within: 1e-5)
  }

  @Test(arguments: [("base", "F32", Float(1e-5)), ("bfloat16", "BF16", 3e-2), ("float16", "F16", 3e-3)])
  func `a student begins from an adapter over its base, and is written in the type that is asked for`(
    dtype: String, element: String, tolerance: Float
  ) async throws {
    try await run.run(
      Distill.self, inputs: ["base": adapter.path, "encoder": base.path, "scores": "scores.jsonl"],
      with: ["K": .int(2), "epochs": .int(0), "dtype": .string(dtype)])
    let student = run.folder.url.appending(path: "student")
    let file = try SafeTensors(contentsOf: student.appending(path: "model.safetensors"))
    #expect(try file.names.allSatisfy { try file.type(of: $0).rawValue == element })
    try await expectVectors(["model": student.path], within: tolerance)
  }

  @Test func `an adapter without its base names both, and the port where this belongs`() async throws {
    let found = ModelCheck().look(at: adapter, base: nil, as: .biEncoder).problem
    #expect(found?.contains("the model \"org/base\"") == true && found?.contains("the port `base`") == true)
    #expect(ModelCheck().look(at: adapter, base: base, as: .student).problem == nil)
  }
}
