/// What a model is said to take against what it takes, loaded and trained.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct MemoryForecastTests {
  private let folder = fixtures.appending(path: "models/sentence-transformer")
  private let texts = 12
  private let tokens = 16
  private static let lora = LoRASettings(
    r: 4, alpha: 8, dropout: 0.1, targetModules: ["all-linear"], useRSLoRA: false, modulesToSave: [])

  private func peak(_ body: (CPU, Encoder, PackedBatch) throws -> Void) throws -> Int {
    let cpu = CPU(threads: 2)
    let model = try CheckpointFolder(folder).encoder(on: cpu)
    try body(cpu, model, PackedBatch(Array(repeating: Array(repeating: 0, count: tokens), count: texts)))
    return cpu.meter.peak
  }

  private func isNear(_ forecast: Int, _ real: Int) -> Bool { abs(Double(forecast) / Double(real) - 1) < 0.02 }

  @Test func `encoding takes what was forecast`() throws {
    let forecast = MemoryForecast(of: try CheckpointFolder(folder), on: CPU(threads: 2))
    let real = try peak { cpu, model, batch in
      _ = try model.forward(batch, on: Tape(on: cpu, records: false, masks: nil))
    }
    let expected = try forecast.encoding(texts: texts, tokens: tokens)
    #expect(isNear(expected, real), "forecast \(expected), real \(real)")
  }

  @Test(arguments: [nil, lora])
  func `training takes what was forecast`(lora: LoRASettings?) throws {
    let forecast = MemoryForecast(of: try CheckpointFolder(folder), on: CPU(threads: 2))
    let real = try peak { cpu, model, batch in
      if let lora { try model.attach(lora: lora, seed: 0) } else { model.trainAllWeights() }
      let weights = model.weights.filter(\.isTrainable)
      var moments = AdamW.Moments(of: weights)
      let tape = Tape(on: cpu, records: true, masks: Tape.Masks(seed: 0, step: 0))
      let output = try model.forward(batch, on: tape)
      tape.backward(from: output, gradient: cpu.zeros(output.value.shape))
      AdamW().step(weights, &moments, rate: { _ in 0.1 }, gradientScale: 1, on: cpu)
    }
    let expected = try forecast.training(texts: texts, tokens: tokens, lora: lora)
    #expect(isNear(expected, real), "forecast \(expected), real \(real)")
  }
}
