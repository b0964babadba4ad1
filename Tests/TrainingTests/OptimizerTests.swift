/// AdamW, clipping and schedules against torch and transformers.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

private struct Golden: Decodable {
  struct AdamWSteps: Decodable {
    var size, warmup: Int
    var clip, lr, decay: Double
    var initial, norms: [Double]
    var gradients, values: [[Double]]
  }
  struct Schedules: Decodable {
    var warmup, steps: Int
    var rates: [String: [Double]]
  }
  var adamW: AdamWSteps
  var schedules: Schedules

  static func read() throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: fixtures.appending(path: "training/optimizer.json")))
  }
}

@Suite struct OptimizerTests {
  @Test func `clipped AdamW steps with and without decay equal torch's`() throws {
    let golden = try Golden.read().adamW
    let engine = CPU(threads: 2)
    let weights = (0..<2).map { index in
      let values = golden.initial[index * golden.size..<(index + 1) * golden.size].map(Float.init)
      let weight = Weight("w\(index)", engine.tensor(values, [golden.size]), decays: index == 0)
      weight.train()
      return weight
    }
    var moments = AdamW.Moments(of: weights)
    var adam = AdamW()
    adam.weightDecay = golden.decay
    let schedule = Schedule(.linear, peak: golden.lr, warmup: .steps(golden.warmup), steps: golden.values.count)
    for step in golden.values.indices {
      for (index, weight) in weights.enumerated() {
        let gradient = golden.gradients[step][index * golden.size..<(index + 1) * golden.size].map(Float.init)
        weight.gradient?.update(from: engine.tensor(gradient, [golden.size]))
      }
      let norm = gradientNorm(weights, on: engine)
      #expect(abs(norm - golden.norms[step]) < 1e-6)
      adam.step(
        weights, &moments, rate: { _ in schedule.rate(at: step) },
        gradientScale: clippingFactor(norm: norm, limit: golden.clip), on: engine)
      let values = weights.flatMap { $0.value.array }
      let difference = zip(values, golden.values[step]).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(difference < 3e-7, "step \(step)")  // a few roundings of fp32 values near 1
    }
  }

  @Test func `schedules equal transformers'`() throws {
    let golden = try Golden.read().schedules
    for shape in Schedule.Shape.allCases {
      let schedule = Schedule(shape, peak: 1, warmup: .steps(golden.warmup), steps: golden.steps)
      let rates = try #require(golden.rates[shape.rawValue])
      #expect(zip(rates.indices, rates).allSatisfy { abs(schedule.rate(at: $0) - $1) < 1e-12 }, "\(shape)")
    }
  }

  @Test func `a warm-up ratio counts steps upwards`() {
    let schedule = Schedule(.constant, peak: 1, warmup: .ratio(0.25), steps: 10)  // 2.5 steps
    let expected: [Double] = [0, 1.0 / 3, 2.0 / 3, 1, 1]
    #expect((0..<5).map(schedule.rate) == expected)
  }
}
