/// What rewards give to answers that nobody had to learn: the records' own, none, and those of other records. A reward
/// that cannot tell them apart teaches nothing.
import Foundation

package struct RewardTrial: Sendable {
  /// Means over the records.
  package struct Row: Sendable, Encodable {
    package let reward: String
    package let weight: Double
    /// `nil` where no record has an answer.
    package let own: Double?
    package let empty: Double
    /// `nil` where all answers are one, or there are none.
    package let swapped: Double?
    /// Why it is no reward; `nil` if it is one.
    package let problem: String?
  }
  /// Each reward, then the weighted sum.
  package let rows: [Row]
  package let records: Int

  init(_ rewards: Rewards, _ records: [AnswerRecord]) throws {
    self.records = records.count
    let answered = records.filter { $0.answer != nil }
    let own = try rewards.values(answered.map { GivenAnswer(text: $0.answer ?? "", record: $0) })
    let empty = try rewards.values(records.map { GivenAnswer(text: "", record: $0) })
    let swapped = try rewards.values(
      answered.indices.compactMap { index in
        Self.other(than: index, answered).map { GivenAnswer(text: $0, record: answered[index]) }
      })
    let columns = rewards.members.indices.map { index in
      (name: rewards.names[index], weight: rewards.weights[index], of: { (values: [Double]) in values[index] })
    }
    let sum = (name: "sum", weight: 1.0, of: { (values: [Double]) in rewards.sum(values) })
    rows = (columns + [sum]).map { name, weight, value in
      Self.row(name, weight, own: own.map(value), empty: empty.map(value), swapped: swapped.map(value))
    }
  }

  /// The next answer that is another one.
  private static func other(than index: Int, _ records: [AnswerRecord]) -> String? {
    (1..<max(1, records.count)).lazy.compactMap { records[(index + $0) % records.count].answer }
      .first { $0 != records[index].answer }
  }

  private static func row(
    _ name: String, _ weight: Double, own: [Double], empty: [Double], swapped: [Double]
  ) -> Row {
    func mean(_ values: [Double]) -> Double? {
      values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    let all = own + empty + swapped
    var problem: String?
    if own.count + swapped.count > 0, let first = all.first, all.allSatisfy({ $0 == first }) {
      problem = "gives every answer \(decimal(first)): it tells none from another"
    } else if weight > 0, let best = own.max(), let least = empty.min(), least >= best {
      problem = "gives an empty answer \(decimal(least)), no less than any right one"
    }
    return Row(
      reward: name, weight: weight, own: mean(own), empty: mean(empty) ?? 0, swapped: mean(swapped), problem: problem)
  }

  /// Throws a `RewardError` for the first reward that is none.
  func check() throws {
    if let row = rows.first(where: { $0.problem != nil }), let problem = row.problem {
      throw RewardError(reward: row.reward, problem: problem)
    }
  }

  /// A line for each reward.
  package var lines: [String] {
    rows.map { row in
      "\(row.reward) (weight \(decimal(row.weight, 3))): "
        + [("own", row.own), ("empty", row.empty), ("swapped", row.swapped)]
        .compactMap { name, value in value.map { "\(name) \(decimal($0))" } }.joined(separator: " | ")
    }
  }
}
