/// `quantize` and `merge`, and adapters that train on what `quantize` made.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

struct QuantizeTests {
  private let quantization: [String: ParameterValue] = ["block": .int(32), "double": .bool(false)]

  private func quantized(_ workshop: Workshop, _ type: String = "nf4") async throws {
    try await workshop.makeBase()
    let how = type == "nf4" ? quantization : ["type": .string(type)]
    try await workshop.run(Quantize.self, ["model": "base"], how, to: "quantized")
  }

  private func train(_ workshop: Workshop, on base: String, to output: String) async throws -> Reports {
    try await workshop.run(
      DualEncoder.self, ["base": base, "train": "candidates.jsonl"],
      smallTraining.merging(["lora": smallLora, "lr": .double(2e-2), "epochs": .int(12)]) { $1 }, to: output)
  }

  @Test(arguments: ["nf4", "int8"])
  func `adapters learn on a base in codes, with one result on any number of threads and in any memory`(type: String)
    async throws
  {
    let workshop = Workshop()
    try await quantized(workshop, type)
    let losses = try await train(workshop, on: "quantized", to: "student").steps("loss")
    #expect(mean(losses.suffix(2)) < mean(losses.prefix(2)))
    var alone = workshop
    alone.threads = 1
    alone.memory = try await workshop.leastMemory { _ = try await train($0, on: "quantized", to: "none") }
    _ = try await train(alone, on: "quantized", to: "alone")
    #expect(try workshop.bytes("student") == workshop.bytes("alone"))
    #expect(try !CheckpointFolder(workshop.url("student")).hasCodes, "what training writes is decoded and merged")
  }

  @Test func `a base in codes does not train whole`() async throws {
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
    let int8 = try Quantize.bound(
      to: StageBinding(
        inputs: ["model": BoundArtifact(url: workshop.url("base"))],
        parameters: ["type": .string("int8"), "double": .bool(false)], outputs: ["quantized": workshop.url("x")]))
    #expect(int8.problems().count == 1)
  }

  @Test func `an adapter over a base in 8 bits merges as its training did`() async throws {
    let workshop = Workshop()
    try await quantized(workshop, "int8")
    _ = try await train(workshop, on: "quantized", to: "student")
    let how: [String: ParameterValue] = ["quantization": .map(["type": .string("int8")])]
    let reports = try await workshop.run(Merge.self, ["adapter": "student", "base": "base"], how, to: "merged")
    #expect(try workshop.bytes("merged")["model.safetensors"] == workshop.bytes("student")["model.safetensors"])
    #expect(try #require(reports.final("rounding_share")) < 1, "8 bits round less than this adapter changes")
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
