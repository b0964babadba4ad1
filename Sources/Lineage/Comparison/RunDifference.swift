/// What differs between two variants, stage by stage: keys, what they are made of, and outputs.
import Artifacts
import Foundation
import GRDB
import Pipelines

package struct RunDifference: Codable, Sendable {
  package struct Output: Codable, Sendable, Hashable {
    package var port: String
    /// Absent: that side has no such output.
    package var left: RunReport.Output?
    package var right: RunReport.Output?
    package var isSame: Bool { left?.digest == right?.digest }
  }
  package struct Stage: Codable, Sendable, Hashable {
    /// As the pipeline file names it.
    package var name: String
    package var relation: RunComparison.Relation
    /// Components of the keys that differ.
    package var components: [KeyDifference]
    /// All of them; those with two digests differ.
    package var outputs: [Output]
    /// The `stage_run` that made each side's outputs.
    package var makers: [Int?]

    /// Whether the results are the same, whatever led to them.
    package var isSame: Bool { relation == .same && outputs.allSatisfy(\.isSame) }
  }
  /// The variants, by name.
  package var left: String
  package var right: String
  /// In order; the first that is not the same is where they part.
  package var stages: [Stage]

  /// - Parameter stage: only this one, as the pipeline file names it, or with coordinates.
  package init(_ left: Variant, _ right: Variant, stage name: String? = nil) throws {
    self.left = left.name
    self.right = right.name
    let names = [left, right].flatMap { $0.stages.map(\.report) }
    let base = name.map { name in names.first { $0.name == name || $0.base == name }?.base ?? name }
    let bases = RunComparison.bases(of: [left, right])
    if let base, !bases.contains(base) { throw ComparisonError.unknownStage(base, known: bases) }
    stages = bases.filter { base == nil || $0 == base }.map { Stage($0, left.stage($0), right.stage($0)) }
  }
}

extension RunDifference.Stage {
  init(_ name: String, _ left: RecordedStage?, _ right: RecordedStage?) {
    self.name = name
    makers = [left?.maker, right?.maker]
    components = KeyDifference.all(
      from: (left?.components ?? []).map { ($0.name, $0.value) },
      to: (right?.components ?? []).map { ($0.name, $0.value) }
    ) { $0.shown }
    let ports = Set([left, right].flatMap { $0?.report.outputs.keys.map { $0 } ?? [] }).sorted()
    outputs = ports.map { .init(port: $0, left: left?.report.outputs[$0], right: right?.report.outputs[$0]) }
    relation = RunComparison.Relation(of: [left, right], differing: components.map(\.component))
  }
}

/// A metric that a stage measured at some steps.
package struct MetricCurve: Codable, Sendable, Hashable {
  package struct Point: Codable, Sendable, Hashable {
    package var step: Int
    /// Absent: not a number.
    package var value: Double?
  }
  package var name: String
  /// In the order of steps.
  package var points: [Point]
}

/// The first step at which something that was measured differs.
package struct StepDifference: Codable, Sendable, Hashable {
  package var step: Int
  package var metric: String
  package var left: Double?
  package var right: Double?

  /// `nil` if all that both measured at the same steps is the same.
  package init?(_ left: [MetricCurve], _ right: [MetricCurve]) {
    var first: StepDifference?
    for curve in left {
      guard let other = right.first(where: { $0.name == curve.name }) else { continue }
      let values = Dictionary(other.points.map { ($0.step, $0.value) }) { $1 }
      let differing = curve.points.first { point in values[point.step].map { $0 != point.value } ?? false }
      guard let differing, differing.step < first?.step ?? .max else { continue }
      first = StepDifference(
        step: differing.step, metric: curve.name, left: differing.value, right: values[differing.step] ?? nil)
    }
    guard let first else { return nil }
    self = first
  }

  private init(step: Int, metric: String, left: Double?, right: Double?) {
    self.step = step
    self.metric = metric
    self.left = left
    self.right = right
  }
}

extension Journal {
  /// What a stage measured step by step, metrics in the order in which they were first reported.
  /// - Parameter maker: the `stage_run` that made the outputs.
  package func curves(ofMaker maker: Int) throws -> [MetricCurve] {
    try database.read { db in
      let rows = try Row.fetchCursor(
        db, sql: "SELECT name, step, value FROM metric WHERE stage_run = ? AND step IS NOT NULL ORDER BY rowid",
        arguments: [maker])
      var curves: [MetricCurve] = []
      var places: [String: Int] = [:]
      while let row = try rows.next() {
        let name: String = row["name"]
        if places[name] == nil {
          places[name] = curves.count
          curves.append(MetricCurve(name: name, points: []))
        }
        curves[places[name]!].points.append(.init(step: row["step"], value: row["value"]))
      }
      for place in curves.indices { curves[place].points.sort { $0.step < $1.step } }
      return curves
    }
  }
}
