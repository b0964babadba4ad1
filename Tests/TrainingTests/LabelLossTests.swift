/// The dual encoder's losses against sentence-transformers', and its batches.
import Foundation
import Models
import TestSupport
import Testing

@testable import Training

private struct Golden: Decodable {
  struct Settings: Decodable {
    var kind, similarity, partition, hardness: String
    var directions: [String]
    var hardnessStrength, margin: Double
    var marginStrategy: String?
    var matryoshka: [[Double]]
  }
  var name: String
  var settings: Settings
  var queries, negatives, width: Int
  var logTemperature, value, slope: Double
  var embeddings, scores, gradient: [Double]
  var guide: [Double]?

  static func read() throws -> [Golden] {
    try JSONDecoder().decode(
      [Golden].self, from: Data(contentsOf: fixtures.appending(path: "training/label_losses.json")))
  }

  func loss() throws -> LabelLoss {
    var loss = LabelLoss()
    loss.kind = try #require(.init(rawValue: settings.kind))
    loss.similarity = try #require(.init(rawValue: settings.similarity))
    loss.directions = try settings.directions.map { try #require(.init(rawValue: $0)) }
    loss.partition = try #require(.init(rawValue: settings.partition))
    loss.hardness = try #require(.init(rawValue: settings.hardness))
    loss.hardnessStrength = settings.hardnessStrength
    loss.falseNegatives = settings.marginStrategy.map {
      $0 == "absolute" ? .absolute(margin: settings.margin) : .relative(margin: settings.margin)
    }
    loss.matryoshka = settings.matryoshka.map { (Int($0[0]), $0[1]) }
    return loss
  }

  /// Columns of queries, positives and negatives, one below the other.
  var batch: LabelledBatch {
    let candidates = negatives + 1
    let rows = (0..<queries).map { query -> LabelledBatch.Query in
      let own = (0..<candidates).map { (1 + $0) * queries + query }
      let judged = Array(scores[query * candidates..<(query + 1) * candidates])
      return LabelledBatch.Query(
        query: query, positive: own[0], negatives: Array(own.dropFirst()), known: [own[0]], scores: judged)
    }
    guard let guide else { return LabelledBatch(queries: rows) }
    let width = width
    return LabelledBatch(queries: rows) { Self.product(guide, width, $0, $1) }
  }

  private static func product(_ rows: [Double], _ width: Int, _ left: Int, _ right: Int) -> Double {
    (0..<width).reduce(0.0) { $0 + rows[left * width + $1] * rows[right * width + $1] }
  }
}

@Suite struct LabelLossTests {
  @Test func `label losses, their gradients and the temperature's equal sentence-transformers'`() throws {
    for golden in try Golden.read() {
      let loss = try golden.loss()(
        embeddings: golden.embeddings, width: golden.width, batch: golden.batch,
        logTemperature: golden.logTemperature)
      #expect(abs(loss.value - golden.value) < 1e-11, "\(golden.name)")
      #expect(abs(loss.parameterGradients[0] - golden.slope) < 1e-6 * max(1, abs(golden.slope)), "\(golden.name)")
      let difference = zip(loss.gradient, golden.gradient).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 1e-10, "\(golden.name)")
    }
  }
}
