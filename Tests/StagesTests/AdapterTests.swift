/// Stages with adapters that sentence-transformers made, over their bases, and what students are written as.
import CPU
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

  /// Ports that no other test here has: stages whose outcome hangs on the model there, and what they write.
  enum Place: String, CaseIterable {
    case normalize, mine, evaluate, retrieve

    var ports: (model: String, base: String) {
      switch self {
      case .normalize: ("model", "base")
      case .mine: ("encoder", "encoder_base")
      case .evaluate: ("first_stage", "first_stage_base")
      case .retrieve: ("reranker", "reranker_base")
      }
    }
  }

  private func written(_ place: Place, _ models: [String: String]) async throws -> Data {
    let classifier = fixtures.appending(path: "models/classifier").path
    switch place {
    case .normalize:
      try await run.run(
        Normalize.self, inputs: models.merging(["data": "groups.jsonl", "validation": "groups.jsonl"]) { $1 })
      return try Data(contentsOf: run.folder.url.appending(path: "results"))
    case .mine:
      try await run.run(
        Mine.self, inputs: models.merging(["groups": "groups.jsonl"]) { $1 },
        with: ["strategy": .string("nearest"), "num_negatives": .int(3)])
      return try Data(contentsOf: run.folder.url.appending(path: "candidates"))
    case .evaluate:
      try await run.run(
        Evaluate.self, inputs: models.merging(["model": classifier, "data": "groups.jsonl"]) { $1 },
        with: ["rerank": .int(2)])
      return try Data(contentsOf: run.folder.url.appending(path: "per_query"))
    case .retrieve:
      try await run.run(
        Retrieve.self, inputs: models.merging(["queries": "groups.jsonl", "corpus": "texts.jsonl"]) { $1 })
      return try Data(contentsOf: run.folder.url.appending(path: "ranking"))
    }
  }

  @Test(arguments: Place.allCases)
  func `an adapter over its base at any port does what both do merged`(place: Place) async throws {
    let letters = "abcdefghijklmnopqrst".map(String.init)
    try QueryGroup.write(
      letters.indices.map { number in
        QueryGroup(
          id: "q\(number)", query: letters[number],
          positives: [Passage(id: "p\(number)", text: "\(letters[(number + 7) % 20]) \(letters[(number + 3) % 20])")])
      }, to: run.folder.url.appending(path: "groups.jsonl"))
    let isCross = place == .retrieve
    let adapter = isCross ? fixtures.appending(path: "adapters/rslora") : adapter
    let base = isCross ? fixtures.appending(path: "models/classifier") : base
    let (folder, merged) = (try CheckpointFolder(adapter, base: base), run.folder.url.appending(path: "merged"))
    let device = CPU(threads: 1)
    if isCross {
      try folder.write(
        folder.crossEncoder(on: device, seed: 1).model, maxSequenceLength: folder.settings.maxSequenceLength, to: merged
      )
    } else {
      try folder.write(folder.encoder(on: device), settings: folder.settings, to: merged)
    }
    let ports = place.ports
    let adapted = try await written(place, [ports.model: adapter.path, ports.base: base.path])
    #expect(try await adapted == written(place, [ports.model: merged.path]))
    #expect(try await adapted != written(place, [ports.model: base.path]), "the adapter changes nothing here")
  }

  @Test func `every port that takes a model has one for what an adapter there changes`() {
    // The ports of `merge` are the adapter and its base themselves.
    for stage in BuiltInStages.all where stage.kind != Merge.kind {
      let inputs = stage.description.inputs
      let bases = inputs.compactMap(\.modelBase)
      // The members of a list have no base in common.
      for input in inputs where input.accepts.contains(.model) && !input.isList && !bases.contains(input.name) {
        #expect(inputs.contains { $0.name == input.modelBase }, "\(stage.kind.name).\(input.name)")
      }
    }
  }

  @Test func `an adapter without its base names both, and the port where this belongs`() async throws {
    let found = ModelCheck().look(at: adapter, base: nil, as: .biEncoder).problem
    #expect(found?.contains("the model \"org/base\"") == true && found?.contains("the port `base`") == true)
    #expect(ModelCheck().look(at: adapter, base: base, as: .student).problem == nil)
  }
}
