/// What `mine` says of what it found: how many, how they score, and what was left out for which reason.
import Basics
import Foundation
import Pipelines

struct MiningReport {
  var droppedByTeacher = 0
  private var leftOut: [Miner.Limit: Int] = [:]
  private var considered = 0
  private var positives: [Float] = []
  private var negatives: [Float] = []
  /// By how much each positive scores above each of its query's negatives.
  private var differences: [Float] = []

  mutating func judged(_ limit: Miner.Limit?) {
    considered += 1
    if let limit { leftOut[limit, default: 0] += 1 }
  }

  /// The scores of a query.
  mutating func add(positives: [Float], negatives: [Float]) {
    self.positives += positives
    self.negatives += negatives
    differences += positives.flatMap { positive in negatives.map { positive - $0 } }
  }

  /// One line for all limits, and a table of scores, where there are some.
  func lines(limits: [Miner.Limit: Double]) -> [String] {
    let reasons = Miner.Limit.allCases.compactMap { limit in
      limits[limit].map { value in
        let count = leftOut[limit] ?? 0
        let share = decimal(100 * Double(count) / Double(max(1, considered)), 2)
        return "\(count) (\(share) %) by \(limit.rawValue) \(value)"
      }
    }
    let left = reasons.isEmpty ? [] : ["Left out: " + reasons.joined(separator: " | ")]
    guard !positives.isEmpty, !negatives.isEmpty else { return left }
    let columns = [("positive", positives), ("negative", negatives), ("difference", differences)]
    let header = "Scores    " + columns.map { padded($0.0) }.joined()
    let tables = columns.map { Self.figures($0.1) }
    return left + [header]
      + tables[0].indices.map { row in
        "  " + tables[0][row].name.padding(toLength: 8, withPad: " ", startingAt: 0)
          + tables.map { padded($0[row].value) }.joined()
      }
  }

  private func padded(_ text: String) -> String { String(repeating: " ", count: max(1, 12 - text.count)) + text }

  /// Quartiles between two values in proportion.
  private static func figures(_ values: [Float]) -> [(name: String, value: String)] {
    let sorted = values.map(Double.init).sorted()
    let count = Double(sorted.count)
    let mean = sorted.reduce(0, +) / count
    let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
    func quantile(_ share: Double) -> Double {
      let place = share * (count - 1)
      let (low, high) = (sorted[Int(place)], sorted[min(Int(place) + 1, sorted.count - 1)])
      return low + (high - low) * (place - place.rounded(.down))
    }
    return [("count", "\(sorted.count)")]
      + [
        ("mean", mean), ("std", variance.squareRoot()), ("min", sorted[0]), ("25 %", quantile(0.25)),
        ("50 %", quantile(0.5)), ("75 %", quantile(0.75)), ("max", sorted[sorted.count - 1]),
      ].map { ($0.0, decimal($0.1)) }
  }
}
