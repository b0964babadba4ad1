/// The cross-encoder's losses against sentence-transformers' and PyTorch's.
import Foundation
import TestSupport
import Testing

@testable import Training

/// Made by Tests/Fixtures/generate/reranker_losses.py.
private struct Golden: Decodable {
  struct Settings: Decodable {
    let kind, weighting, logarithm: String
    let mu, sigma, eps: Double
    let k: Int?
  }
  let name: String
  let settings: Settings
  let labels: [[Double]]
  let heads: Int
  let outputs, teacher, gradient: [Double]
  let value: Double

  func loss() throws -> RerankerLoss {
    var loss = RerankerLoss()
    loss.kind = try #require(.init(rawValue: settings.kind))
    loss.weighting = try #require(.init(rawValue: settings.weighting))
    loss.logarithm = try #require(.init(rawValue: settings.logarithm))
    (loss.mu, loss.sigma, loss.eps, loss.k) = (settings.mu, settings.sigma, settings.eps, settings.k)
    return loss
  }

  var lists: [[RerankerLoss.Judgement]] {
    var logits = teacher.makeIterator()
    return labels.map { $0.map { RerankerLoss.Judgement(label: $0, logit: logits.next()) } }
  }
}

@Suite struct RerankerLossTests {
  @Test func `rerankers' losses and their gradients equal sentence-transformers' in every setting`() throws {
    let cases = try JSONDecoder().decode(
      [Golden].self, from: Data(contentsOf: fixtures.appending(path: "training/reranker_losses.json")))
    for golden in cases {
      let loss = try golden.loss()(outputs: golden.outputs, labels: golden.heads, lists: golden.lists)
      #expect(abs(loss.value - golden.value) < 1e-11 * max(1, golden.value), "\(golden.name)")
      let difference = zip(loss.gradient, golden.gradient).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 1e-11 && loss.gradient.count == golden.gradient.count, "\(golden.name)")
    }
    #expect(cases.count == 22)
  }

  @Test func `a list that has nothing to order adds nothing`() {
    for kind in [RerankerLoss.Kind.ranknet, .lambda, .marginMSE] {
      var loss = RerankerLoss()
      loss.kind = kind
      let result = loss(outputs: [2, -1], lists: [[.init(label: 1, logit: 3), .init(label: 1, logit: 0)]])
      #expect(result.value == 0 && result.gradient == [0, 0])
    }
  }

  @Test func `of several positives margin_mse learns every margin`() {
    var loss = RerankerLoss()
    loss.kind = .marginMSE
    let result = loss(
      outputs: [1, 2, 0], lists: [[.init(label: 1, logit: 4), .init(label: 1, logit: 2), .init(label: 0, logit: 1)]])
    // (1 − 0 − (4 − 1))² = 4 and (2 − 0 − (2 − 1))² = 1.
    #expect(result.value == 2.5)
    #expect(result.gradient == [-2, 1, 1])
  }
}
