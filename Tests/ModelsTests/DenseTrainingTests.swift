/// Dense modules learn as sentence-transformers has them learn: beside a whole encoder, and beside adapters.
import CPU
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

@Suite struct DenseTrainingTests {
  private let device = CPU(threads: 2)
  private let scratch: ScratchFolder
  /// Made by Tests/Fixtures/generate/dense_training.py.
  private let golden: SafeTensors

  init() throws {
    scratch = try ScratchFolder()
    golden = try SafeTensors(contentsOf: fixtures.appending(path: "folders/dense-training.safetensors"))
    for folder in ["pytorch/base", "folders/dense"].map({ fixtures.appending(path: $0) }) {
      for item in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
        try FileManager.default.copyItem(at: item, to: scratch.url.appending(path: item.lastPathComponent))
      }
    }
  }

  private func batch() throws -> PackedBatch {
    let ids = try golden.integers("ids").map { Int32($0) }
    let ends = try golden.integers("lengths").reduce(into: [0]) { $0.append($0.last! + $1) }
    return PackedBatch(zip(ends, ends.dropFirst()).map { Array(ids[$0..<$1]) }, chunkSize: 3)
  }

  private func encoder(_ tuning: String) throws -> Encoder {
    let encoder = try CheckpointFolder(scratch.url).encoder(on: device)
    guard tuning == "lora" else {
      encoder.trainAllWeights()
      return encoder
    }
    try encoder.attach(lora: LoRASettings(r: 2, alpha: 6, dropout: 0, targetModules: ["query"]), seed: 1)
    for weight in encoder.weights where weight.name.contains("lora_") {
      weight.value.update(from: try golden.stored("lora/weight/\(weight.name)"))
      weight.changed()
    }
    return encoder
  }

  @Test(arguments: ["full", "lora"]) func `gradients of Dense modules, and through them, equal torch's`(
    tuning: String
  ) throws {
    let encoder = try encoder(tuning)
    let pass = try encoder.trainingPass(batch(), seed: 1, step: 0)
    #expect(relativeError(pass.output.array, try golden.floats("\(tuning)/output")) < 1e-5)
    pass.backward(device.tensor(try golden.stored("seed")))
    let path = "\(tuning)/gradient/"
    let kept = golden.names.filter { $0.hasPrefix(path) }.map { String($0.dropFirst(path.count)) }
    for name in kept {
      let gradient = try #require(encoder.weights.first { $0.name == name }?.gradient, "\(name)")
      #expect(relativeError(gradient.array, try golden.floats(path + name)) < 1e-4, "\(name)")
    }
    let dense = encoder.weights.filter { $0.name.contains("Dense") && $0.isTrainable }.map(\.name)
    #expect(dense.sorted() == kept.filter { $0.contains("Dense") }.sorted())
  }

  @Test func `what Dense modules have learnt is written, and no adapter file speaks of them`() throws {
    let folder = try CheckpointFolder(scratch.url)
    let (encoder, out) = (try encoder("lora"), scratch.url.appending(path: "out"))
    let weight = try #require(encoder.weights.first { $0.name == "3_Dense.linear.weight" })
    weight.value.fill(0.25)
    weight.changed()
    try folder.write(encoder, settings: folder.settings, to: out)
    let dense = try SafeTensors(contentsOf: out.appending(path: "3_Dense/model.safetensors"))
    #expect(try dense.floats("linear.weight").allSatisfy { $0 == 0.25 } && dense.names == ["linear.weight"])
    for file in ["model.safetensors", "adapter/adapter_model.safetensors"] {
      #expect(try !SafeTensors(contentsOf: out.appending(path: file)).names.contains { $0.contains("Dense") })
    }
    let again = try CheckpointFolder(out).encoder(on: device)
    #expect(try relativeError(again.output(of: batch()).array, encoder.output(of: batch()).array) < 1e-5)
  }
}

extension SafeTensors {
  fileprivate func integers(_ name: String) throws -> [Int] { try floats(name).map { Int($0) } }
}
