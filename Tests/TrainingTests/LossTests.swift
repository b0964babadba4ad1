/// Losses against PyTorch's autograd and against finite differences.
import Foundation
import TestSupport
import Testing

@testable import Training

private struct Golden: Decodable {
  struct CrossEntropy: Decodable {
    var weight: Double
    var logits, labels, gradient: [Double]
    var value: Double
  }
  struct Distillation: Decodable {
    struct Settings: Decodable {
      var tau, klWeight, contrastiveWeight, margin, contrastiveTemperature, positiveThreshold: Double
      var negativePenaltyWeight, negativeTarget: Double
      var teacherTau: Double?
      var scaleByTauSquared: Bool
      var studentScores, teacherScores, contrastive, positivesFrom: String
    }
    var name: String
    var settings: Settings
    var candidates, width: Int
    var embeddings, logits, parts, gradient: [Double]
    var labels: [Bool]
    var passages: [Int]
    var knownPositives: [Set<Int>]
    var value: Double

    var groups: JudgedGroups {
      JudgedGroups(
        candidates: candidates, logits: logits, labels: labels, passages: passages, knownPositives: knownPositives)
    }
    func loss() throws -> DistillationLoss {
      var loss = DistillationLoss()
      loss.tau = settings.tau
      loss.teacherTau = settings.teacherTau
      loss.scaleByTauSquared = settings.scaleByTauSquared
      loss.studentScores = try #require(.init(rawValue: settings.studentScores))
      loss.teacherScores = try #require(.init(rawValue: settings.teacherScores))
      loss.klWeight = settings.klWeight
      loss.contrastiveWeight = settings.contrastiveWeight
      loss.contrastive = try #require(.init(rawValue: settings.contrastive))
      loss.margin = settings.margin
      loss.contrastiveTemperature = settings.contrastiveTemperature
      loss.positivesFrom = try #require(.init(rawValue: settings.positivesFrom))
      loss.positiveThreshold = settings.positiveThreshold
      loss.negativePenaltyWeight = settings.negativePenaltyWeight
      loss.negativeTarget = settings.negativeTarget
      return loss
    }
  }
  var binaryCrossEntropy: [CrossEntropy]
  var distillation: [Distillation]

  static func read() throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: fixtures.appending(path: "training/losses.json")))
  }
}

/// Double arithmetic in another order; nothing else may differ.
private let tolerance = 1e-12

private func largestDifference(_ left: [Double], _ right: [Double]) -> Double {
  precondition(left.count == right.count)
  return zip(left, right).map { abs($0 - $1) }.max() ?? 0
}

/// Central differences of `value` at `point`.
private func finiteDifferences(_ point: [Double], step: Double = 1e-6, _ value: ([Double]) -> Double) -> [Double] {
  point.indices.map { index in
    var (up, down) = (point, point)
    up[index] += step
    down[index] -= step
    return (value(up) - value(down)) / (2 * step)
  }
}

@Suite struct LossTests {
  @Test func `binary cross-entropy equals torch's, also for large logits`() throws {
    for golden in try Golden.read().binaryCrossEntropy {
      let loss = BinaryCrossEntropy(positiveWeight: golden.weight)(logits: golden.logits, labels: golden.labels)
      #expect(abs(loss.value - golden.value) < tolerance)
      #expect(largestDifference(loss.gradient, golden.gradient) < tolerance)
    }
  }

  @Test func `binary cross-entropy's gradient equals finite differences`() {
    let logits = [0.4, -1.3, 2.2]
    let labels = [1.0, 0, 0.3]
    let loss = BinaryCrossEntropy(positiveWeight: 3)
    let differences = finiteDifferences(logits) { loss(logits: $0, labels: labels).value }
    #expect(largestDifference(loss(logits: logits, labels: labels).gradient, differences) < 1e-8)
  }

  @Test func `the distillation loss, its parts and its gradient equal torch's in every setting`() throws {
    for golden in try Golden.read().distillation {
      let loss = try golden.loss()(embeddings: golden.embeddings, width: golden.width, groups: golden.groups)
      #expect(abs(loss.value - golden.value) < tolerance, "\(golden.name)")
      #expect(largestDifference(loss.parts.map(\.value), golden.parts) < tolerance, "\(golden.name)")
      #expect(largestDifference(loss.gradient, golden.gradient) < tolerance, "\(golden.name)")
    }
  }

  @Test func `the distillation loss's gradient equals finite differences`() throws {
    for golden in try Golden.read().distillation {
      let loss = try golden.loss()
      let differences = finiteDifferences(golden.embeddings) {
        loss(embeddings: $0, width: golden.width, groups: golden.groups).value
      }
      let gradient = loss(embeddings: golden.embeddings, width: golden.width, groups: golden.groups).gradient
      #expect(largestDifference(gradient, differences) < 1e-7, "\(golden.name)")
    }
  }

  /// σ(0) = ½: nothing is above it, so nothing is a positive, and only the penalty of negatives is left.
  @Test func `a score at the threshold makes no positive`() {
    let groups = JudgedGroups(
      candidates: 2, logits: [0, 0], labels: [true, false], passages: [0, 1], knownPositives: [[0]])
    var loss = DistillationLoss()
    loss.positivesFrom = .teacher
    loss.contrastive = .margin
    let parts = loss(embeddings: [1, 0, 1, 0, 0, 1], width: 2, groups: groups).parts.map(\.value)
    #expect(parts[1] == 0)
    // s̃ = 1 and ½: their mean is ¾, which counts once for the batch and half for the query.
    #expect(abs(parts[2] - 1.5 * (0.75 - 0.15)) < tolerance)
  }

  /// s̃₋ = 0.05 and 0.65, mean 0.35: not each negative is held against the target, the mean is.
  @Test func `the penalty is of means and not squared`() {
    let cosines = [-0.9, 0.3]
    let down = cosines.flatMap { cosine -> [Double] in [cosine, (1 - cosine * cosine).squareRoot()] }
    let groups = JudgedGroups(
      candidates: 3, logits: [9, -9, -9], labels: [true, false, false], passages: [0, 1, 2], knownPositives: [[0]])
    let loss = DistillationLoss()(embeddings: [1, 0, 1, 0] + down, width: 2, groups: groups)
    #expect(abs(loss.parts[2].value - 1.5 * 0.2) < tolerance)
  }

  @Test func `the teacher's temperature is one for logits, and the student's for sigmoid scores`() throws {
    let golden = try #require(try Golden.read().distillation.first)
    func divergence(_ scores: DistillationLoss.TeacherScores, _ teacherTau: Double?) -> Double {
      var loss = DistillationLoss()
      (loss.teacherScores, loss.teacherTau) = (scores, teacherTau)
      return loss(embeddings: golden.embeddings, width: golden.width, groups: golden.groups).parts[0].value
    }
    #expect(divergence(.logit, nil) == divergence(.logit, 1) && divergence(.logit, nil) != divergence(.logit, 0.05))
    #expect(divergence(.sigmoid, nil) == divergence(.sigmoid, DistillationLoss().tau))
  }

  @Test func `a row of zeros gets a finite gradient`() {
    let groups = JudgedGroups(
      candidates: 2, logits: [1, -1], labels: [true, false], passages: [0, 1], knownPositives: [[0]])
    let loss = DistillationLoss()(embeddings: [1, 0, 0, 0, 0, 1], width: 2, groups: groups)
    #expect(loss.value.isFinite)
    #expect(loss.gradient.allSatisfy { $0.isFinite })
  }

  @Test func `N balanced positives cannot be told apart by more than N over 2(N - 1)`() {
    // Unit vectors at the corners of a regular simplex are the best that N passages can do.
    let corners: [[Double]] = [[1, 0], [-0.5, 0.75.squareRoot()], [-0.5, -0.75.squareRoot()]]
    let passages = [0, 1, 2, 1, 0, 2, 2, 0, 1]  // each query's own first
    var loss = DistillationLoss()
    loss.contrastive = .margin
    loss.margin = 1
    var embeddings: [Double] = []
    for query in 0..<3 {
      embeddings += corners[query]
      for passage in passages[query * 3..<query * 3 + 3] { embeddings += corners[passage] }
    }
    let groups = JudgedGroups(
      candidates: 3, logits: [Double](repeating: 0, count: 9), labels: (0..<9).map { $0 % 3 == 0 },
      passages: passages, knownPositives: [[0], [1], [2]])
    let contrastive = loss(embeddings: embeddings, width: 2, groups: groups).parts[1].value
    #expect(abs(1 - contrastive - 0.75) < tolerance)
  }
}
