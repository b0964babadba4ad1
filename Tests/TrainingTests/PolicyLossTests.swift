/// GRPO's losses and advantages against TRL's.
import Foundation
import TestSupport
import Testing

@testable import Training

/// Largest difference of an advantage: TRL's n/(n − 1) is in 32 bits.
private let advantageTolerance = 1e-7

/// Made by Tests/Fixtures/generate/policy_losses.py.
private struct Golden: Decodable {
  struct Settings: Decodable {
    let kind, level: String
    let epsilon, beta: Double
    let epsilonHigh: Double?
  }
  struct Case: Decodable {
    let name: String
    let settings: Settings
    let counts: [Bool]
    let stepTokens, value: Double
    let longest: Int
    let advantages: [Double]
    let outputs, gradient: [[Double]]
    let old, reference: [[Float]]
  }
  struct Worth: Decodable {
    let name, scale: String
    let each: Bool
    let rewards: [[Double]]
    let weights, advantages: [Double]
    let group: Int
  }
  let losses: [Case]
  let advantages: [Worth]

  static func read() throws -> Golden {
    try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: fixtures.appending(path: "training/policy_losses.json")))
  }
}

extension Golden.Case {
  func loss() throws -> PolicyLoss {
    var loss = PolicyLoss(longest: longest)
    loss.kind = try #require(.init(rawValue: settings.kind))
    loss.level = try #require(.init(rawValue: settings.level))
    (loss.epsilon, loss.epsilonHigh, loss.beta) = (settings.epsilon, settings.epsilonHigh, settings.beta)
    return loss
  }

  var samples: [PolicyLoss.Sample] {
    advantages.indices.map {
      PolicyLoss.Sample(advantage: advantages[$0], old: old[$0], reference: reference[$0], counts: counts[$0])
    }
  }
}

@Suite struct PolicyLossTests {
  @Test func `losses of GRPO and their gradients equal TRL's in every setting`() throws {
    let cases = try Golden.read().losses
    for golden in cases {
      let loss = try golden.loss()(
        outputs: golden.outputs.flatMap { $0 }, samples: golden.samples, stepTokens: golden.stepTokens)
      #expect(abs(loss.value - golden.value) < 1e-12, "\(golden.name)")
      let difference = zip(loss.gradient, golden.gradient.joined()).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 1e-12 && loss.gradient.count == golden.gradient.joined().count, "\(golden.name)")
    }
    #expect(cases.count == 32)
  }

  @Test func `advantages equal those of TRL's trainer`() throws {
    let cases = try Golden.read().advantages
    for golden in cases {
      var advantages = Advantages()
      advantages.scale = try #require(.init(rawValue: golden.scale))
      advantages.normalizesEach = golden.each
      let found = advantages(golden.rewards, weights: golden.weights, group: golden.group)
      let difference = zip(found, golden.advantages).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < advantageTolerance && found.count == golden.advantages.count, "\(golden.name)")
    }
    #expect(cases.count == 6)
  }

  @Test func `where nothing has changed since sampling every ratio is 1 and the loss is minus the mean advantage`() {
    let samples = [
      PolicyLoss.Sample(advantage: 2, old: [-1, -0.3]), PolicyLoss.Sample(advantage: -1, old: [-0.7, -2]),
    ]
    let loss = PolicyLoss(longest: 2)(
      outputs: samples.flatMap { $0.old.map(Double.init) }, samples: samples, stepTokens: 4)
    #expect(loss.parts == [.init(name: "ratio", value: 1), .init(name: "clip_ratio", value: 0)])
    #expect(loss.value == -0.5 && loss.gradient == [-0.5, -0.5, 0.25, 0.25])
  }

  @Test func `a group whose rewards are alike is worth nothing, whatever they are`() {
    // The mean of three tenths is not a tenth in binary.
    #expect(Advantages()([[0.1], [0.1], [0.1]], weights: [1], group: 3) == [0, 0, 0])
  }

  @Test func `a batch in which nothing counts has no loss`() {
    for kind in PolicyLoss.Kind.allCases {
      var loss = PolicyLoss(longest: 3)
      loss.kind = kind
      let result = loss(
        outputs: [-1, -2], samples: [.init(advantage: 1, old: [-1, -1], counts: false)], stepTokens: 0)
      #expect(result.value == 0 && result.gradient == [0, 0])
    }
  }
}
