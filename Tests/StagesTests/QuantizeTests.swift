/// `quantize` and `merge`, and adapters that train on what `quantize` made.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

struct QuantizeTests {
  private let quantization: [String: ParameterValue] = ["block": .int(32), "double": .bool(false)]

  private func quantized(_ workshop: Workshop) async throws {
    try await workshop.makeBase()
    try await workshop.run(Quantize.self, ["model": "base"], quantization, to: "quantized")
  }

  private func train(_ workshop: Workshop, on base: String, to output: String) async throws -> Reports {
    try await workshop.run(
      DualEncoder.self, ["base": base, "train": "candidates.jsonl"],
      smallTraining.merging(["lora": smallLora, "lr": .double(2e-2), "epochs": .int(12)]) { $1 }, to: output)
  }

  @Test func `adapters learn on a base in 4 bits, with one result on any number of threads`() async throws {
    let workshop = Workshop()
    try await quantized(workshop)
    let losses = try await train(workshop, on: "quantized", to: "student").steps("loss")
    #expect(mean(losses.suffix(2)) < mean(losses.prefix(2)))
    var alone = workshop
    alone.threads = 1
    _ = try await train(alone, on: "quantized", to: "alone")
    #expect(try workshop.bytes("student") == workshop.bytes("alone"))
    #expect(try !CheckpointFolder(workshop.url("student")).hasCodes, "what training writes is decoded and merged")
  }

  @Test func `a base in 4 bits does not train whole`() async throws {
    let workshop = Workshop()
    try await quantized(workshop)
    let message = await failure {
      try await workshop.run(
        DualEncoder.self, ["base": "quantized", "train": "candidates.jsonl"], smallTraining, to: "student")
    }
    #expect(message.contains("in codes") && message.contains("lora"), "\(message)")
  }

  @Test func `a model quantized twice, or with blocks of another size, is refused`() async throws {
    let workshop = Workshop()
    try await quantized(workshop)
    #expect(
      await failure { try await workshop.run(Quantize.self, ["model": "quantized"], to: "x") }.contains("in codes"))
    let stage = try Quantize.bound(
      to: StageBinding(
        inputs: ["model": BoundArtifact(url: workshop.url("base"))], parameters: ["block": .int(48)],
        outputs: ["quantized": workshop.url("x")]))
    #expect(stage.problems().count == 1)
  }

  @Test func `an adapter merges into the decoded base as its training did, and into the original with less rounding`()
    async throws
  {
    let workshop = Workshop()
    try await quantized(workshop)
    _ = try await train(workshop, on: "quantized", to: "student")
    let inputs = ["adapter": "student", "base": "base"]
    let how: [String: ParameterValue] = ["quantization": .map(quantization)]
    let reports = try await workshop.run(Merge.self, inputs, how, to: "merged")
    #expect(try workshop.bytes("merged")["model.safetensors"] == workshop.bytes("student")["model.safetensors"])
    let share = try #require(reports.final("rounding_share"))
    #expect(share > 0)
    try await workshop.run(Merge.self, ["adapter": "student", "base": "quantized"], to: "onto")
    #expect(try workshop.bytes("onto")["model.safetensors"] == workshop.bytes("student")["model.safetensors"])
    let original = try await workshop.run(
      Merge.self, inputs, how.merging(["into": .string("original")]) { $1 }, to: "original")
    #expect(try workshop.bytes("original")["model.safetensors"] != workshop.bytes("student")["model.safetensors"])
    #expect(original.lines.contains { $0.contains("rounded numbers") } == (share > 1))
    let refusal = await failure {
      try await workshop.run(
        Merge.self, ["adapter": "student", "base": "quantized"], ["into": .string("original")], to: "refused")
    }
    #expect(refusal.contains("before it was quantized"), "\(refusal)")
  }
}
