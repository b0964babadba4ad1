/// The `average` stage.
import Foundation
import Models
import Pipelines
import TestSupport
import Testing
import Training

@testable import Stages

private func trained(_ workshop: Workshop, _ name: String, lr: Double, _ more: [String: ParameterValue] = [:])
  async throws
{
  try await workshop.run(
    DualEncoder.self, ["base": "base", "train": "groups.jsonl"],
    smallTraining.merging(["lr": .double(lr)]) { $1 }.merging(more) { $1 }, to: name)
}

private func numbers(_ workshop: Workshop, _ name: String) throws -> [String: [Float]] {
  let file = try SafeTensors(contentsOf: workshop.url("\(name)/model.safetensors"))
  return try Dictionary(
    uniqueKeysWithValues: file.names.map { ($0, try file.floats($0)) })
}

@Suite struct AverageTests {
  @Test func `a model averaged with itself is itself, byte for byte`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await trained(workshop, "one", lr: 1e-2)
    try await workshop.run(
      Average.self, ["models[1]": "one", "models[2]": "one", "models[3]": "one"],
      ["weights": .list([.double(0.1), .double(0.2), .double(0.4)])], to: "mean")
    #expect(try workshop.bytes("mean") == workshop.bytes("one"))
  }

  @Test func `every weight is the mean by what each model counts, the adapters merged`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await trained(workshop, "one", lr: 1e-2)
    try await trained(workshop, "two", lr: 3e-2, ["lora": smallLora, "pooling": .string("cls")])
    try await workshop.run(
      Average.self, ["models[1]": "one", "models[2]": "two"], ["weights": .list([.double(1), .double(3)])], to: "mean")
    let (one, two, mean) = (try numbers(workshop, "one"), try numbers(workshop, "two"), try numbers(workshop, "mean"))
    #expect(Set(mean.keys) == Set(one.keys))
    for (name, values) in mean {
      let first: [Float] = try #require(one[name])
      let second: [Float] = try #require(two[name])
      for place in values.indices {
        let expected = Float((Double(first[place]) + 3 * Double(second[place])) / 4)
        #expect(abs(values[place] - expected) <= expected.ulp, "\(name)")
      }
    }
    #expect(try CheckpointFolder(workshop.url("mean")).settings.pooling == [.mean])
    #expect(try !workshop.bytes("mean").keys.contains { $0.hasPrefix("adapter") })
    let temperatures = try ["one", "two", "mean"].map {
      try #require(try FolderTemperature(in: workshop.url($0))).logTemperature
    }
    #expect(abs(temperatures[2] - (temperatures[0] + 3 * temperatures[1]) / 4) < 1e-12)
  }

  @Test func `all in which a model differs is named at once`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await workshop.run(
      Initialise.self, ["groups": "groups.jsonl"],
      [
        "limit_alphabet": .int(5), "hidden_size": .int(16), "num_hidden_layers": .int(2),
        "num_attention_heads": .int(2),
        "intermediate_size": .int(48), "max_position_embeddings": .int(32),
      ], to: "other")
    await #expect {
      try await workshop.run(Average.self, ["models[1]": "base", "models[2]": "other"], to: "mean")
    } throws: { error in
      let text = "\(error)"
      return [
        "num_hidden_layers 2 instead of 1", "intermediate_size 48 instead of 32", "unexpected tensors encoder.layer.1",
        "misshapen tensors ", "another tokenizer",
      ]
      .allSatisfy(text.contains)
    }
    await #expect {
      try await workshop.run(
        Average.self, ["models[1]": "base", "models[2]": "base"], ["weights": .list([.double(1)])], to: "mean")
    } throws: {
      "\($0)".contains("`weights` has 1 numbers for 2 models")
    }
  }
}
