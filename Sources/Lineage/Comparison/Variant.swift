/// What is compared: a run, or one variant of an experiment's run, with everything recorded about its stages.
import Artifacts
import Basics
import Foundation
import GRDB
import Pipelines
import Scheduling

/// A stage of a run, with what its key was made of and what made its outputs.
package struct RecordedStage: Codable, Sendable, Hashable {
  package var report: RunReport.Stage
  /// The `stage_run` that made the outputs: this one or, of a cached one, an earlier one.
  package var maker: Int
  /// How long that took, whenever it was.
  package var seconds: Double?
  /// In the key's order; empty if the stage has no key, or the cache has forgotten what it was made of.
  package var components: [KeyComponent]

  /// The value of a component, as a line for people; `nil` if the key has none of that name.
  package func component(_ name: String) -> String? { components.first { $0.name == name }?.value.shown }
}

extension ParameterValue {
  /// A string without quotes, anything else as YAML.
  package var shown: String { if case .string(let text) = self { text } else { yaml } }
}

/// One choice of coordinates from a run's matrix with every stage that belongs to it: a stage belongs to each variant
/// whose coordinates contain its own. A run without a matrix is a single variant without coordinates.
package struct Variant: Codable, Sendable, Hashable {
  package struct Coordinate: Codable, Sendable, Hashable {
    package var name: String
    package var value: ParameterValue
    /// Whether it is only another draw of the same experiment: `seed`, `defaults.seed`, `stages.x.with.seed`.
    package var isSeed: Bool { name == "seed" || name.hasSuffix(".seed") }
  }
  package var run: Int
  package var pipeline: String
  package var file: String
  /// Of the whole run.
  package var state: String
  package var started: Date
  package var version: String?
  package var revision: String?
  /// What the run's experiment said to compare.
  package var comparison: Comparison?
  /// The metrics that are shown first, `stage.metric`.
  package var headline: [String]
  /// What people call the run: its name and tags.
  package var labels: [String]
  /// In the order of the matrix.
  package var coordinates: [Coordinate]
  /// In the order in which they began, so that a stage comes after those that it takes inputs from.
  package var stages: [RecordedStage]

  /// `12[tau=0.1,K=4]`, as arguments name it.
  package var name: String { "\(run)\(coordinates.suffix)" }

  /// - Parameter base: the stage as the pipeline file names it.
  package func stage(_ base: String) -> RecordedStage? { stages.last { $0.report.base == base } }
}

extension [Variant.Coordinate] {
  /// `[tau=0.1,K=4]`; nothing for none.
  package var suffix: String { map { Pipelines.Coordinate($0.name, $0.value) }.suffix }
}

extension Journal {
  /// The variants of a run, in the order of their coordinates.
  package func variants(of run: Int, store: Store) throws -> [Variant] {
    let report = try report(of: run, store: store)
    let (stages, order) = try database.read { db in
      (try db.recorded(report), try db.coordinateNames(of: run))
    }
    // A run that has just begun has no stages yet.
    let choices = stages.isEmpty ? [[:]] : Set(stages.map(\.report.coordinates))
    let variants = choices.filter { choice in
      !choices.contains { $0.count > choice.count && $0.contains(choice) }
    }
    return variants.map { choice in
      Variant(
        run: run, pipeline: report.pipeline, file: report.file, state: report.state, started: report.started,
        version: report.version, revision: report.revision, comparison: report.comparison,
        headline: report.headline, labels: [report.name].compactMap(\.self) + report.tags,
        coordinates: choice.sorted { (order[$0.key] ?? 0, $0.key) < (order[$1.key] ?? 0, $1.key) }
          .map { Variant.Coordinate(name: $0.key, value: $0.value) },
        stages: stages.filter { choice.contains($0.report.coordinates) })
    }.sorted { left, right in
      for (left, right) in zip(left.coordinates, right.coordinates) where left != right {
        return left.name == right.name ? left.value.precedes(right.value) : left.name < right.name
      }
      return left.coordinates.count < right.coordinates.count
    }
  }

  /// The stages of a run with what their keys were made of.
  package func recordedStages(ofRun run: Int, store: Store) throws -> [RecordedStage] {
    let report = try report(of: run, store: store)
    return try database.read { try $0.recorded(report) }
  }

  /// What is wrong with a run's evaluations, as sentences.
  package func evaluationWarnings(ofRun run: Int, store: Store, catalog: StageCatalog) throws -> [String] {
    Lineage.evaluationWarnings(of: try recordedStages(ofRun: run, store: store), catalog)
  }

  /// What an argument names: the variants of `12`, `latest`, `latest~1`, or those with the coordinates given in
  /// `12[tau=0.1]`, of which the last word of a dotted name is enough. Throws `ComparisonError` if there is none.
  package func variants(named argument: String, store: Store) throws -> [Variant] {
    let name = VariantName(argument)
    guard name.variant != "", name.variant != nil || !argument.contains("[") else {
      throw ComparisonError.malformed(argument)
    }
    let all = try variants(of: run(named: name.base), store: store)
    let wanted = try name.coordinates.map { coordinate in
      let sides = coordinate.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " } }
      guard sides.count == 2 else { throw ComparisonError.malformed(argument) }
      return (name: sides[0], value: sides[1])
    }
    let found = all.filter { variant in
      wanted.allSatisfy { name, value in
        variant.coordinates.contains { coordinate in
          (coordinate.name == name || coordinate.name.hasSuffix(".\(name)")) && coordinate.value.isWritten(value)
        }
      }
    }
    guard !found.isEmpty else { throw ComparisonError.noVariant(argument, known: all.map(\.name)) }
    return found
  }
}

/// What a person asked to compare cannot be; the program ends with exit code 2.
package enum ComparisonError: Error, CustomStringConvertible {
  case malformed(String)
  case noVariant(String, known: [String])
  case manyVariants(String, found: [String])
  case unknownMetric(String, known: [String])
  case unknownStage(String, known: [String])

  package var description: String {
    switch self {
    case .malformed(let argument):
      "`\(argument)` names no run; write `12`, `latest`, `latest~1`, a name, a tag, `3-12` or `12[tau=0.1,K=4]`"
    case .noVariant(let argument, let known): "there is no variant `\(argument)`; the run has \(listed(known))"
    case .manyVariants(let argument, let found):
      "`\(argument)` names \(found.count) variants where one is due: \(listed(found))"
    case .unknownMetric(let name, let known):
      "there is no metric `\(name)`"
        + didYouMean(nearest(to: name, in: known), otherwise: "; there are \(listed(known))")
    case .unknownStage(let name, let known): "there is no stage `\(name)`; there are \(listed(known))"
    }
  }
}

/// What there is, for an error; of many the first twelve.
func listed(_ names: [String]) -> String {
  let shown = names.prefix(12).map { "`\($0)`" }.joined(separator: ", ")
  return names.isEmpty ? "none" : names.count > 12 ? "\(shown) and \(names.count - 12) more" : shown
}

extension [String: ParameterValue] {
  fileprivate func contains(_ other: Self) -> Bool { other.allSatisfy { self[$0.key] == $0.value } }
}

extension ParameterValue {
  private var number: Double? { Double(parameter: self) }

  /// Numbers by size, before texts in their order.
  fileprivate func precedes(_ other: ParameterValue) -> Bool {
    switch (number, other.number) {
    case (let left?, let right?): left < right
    case (_?, nil): true
    case (nil, _?): false
    case (nil, nil): shown < other.shown
    }
  }

  /// Whether `text`, without spaces, may be how a person writes this value: `2e-1` for 0.2.
  fileprivate func isWritten(_ text: String) -> Bool {
    if let number, let other = Double(text) { return number == other }
    return [shown, yaml].contains { $0.filter { $0 != " " } == text }
  }
}

extension Database {
  /// The stages of a run with their keys' components and their makers.
  fileprivate func recorded(_ report: RunReport) throws -> [RecordedStage] {
    var components: [String: [KeyComponent]] = [:]
    let rows = try Row.fetchCursor(
      self,
      sql: """
        SELECT key, name, value FROM key_component WHERE key IN (SELECT key FROM stage_run WHERE run = ?)
        ORDER BY key, position
        """, arguments: [report.run])
    while let row = try rows.next() {
      components[row["key"], default: []].append(KeyComponent(name: row["name"], value: try decoded(row["value"])))
    }
    let makers = try Row.fetchAll(
      self,
      sql: """
        SELECT used.stage, made.id, made.started, made.ended FROM stage_run AS used
          JOIN stage_run AS made ON made.id = coalesce(used.origin, used.id)
        WHERE used.run = ?
        """, arguments: [report.run])
    let makerOfStage = Dictionary(uniqueKeysWithValues: makers.map { ($0["stage"] as String, $0) })
    return report.stages.compactMap { stage in
      guard let maker = makerOfStage[stage.name] else { return nil }
      return RecordedStage(
        report: stage, maker: maker["id"], seconds: maker.seconds,
        components: stage.key.flatMap { components[$0.description] } ?? [])
    }
  }

  /// The place of each coordinate in the matrix.
  fileprivate func coordinateNames(of run: Int) throws -> [String: Int] {
    let rows = try Row.fetchAll(
      self,
      sql: """
        SELECT json_each.key AS name, max(json_each.id) AS place FROM stage_run, json_each(stage_run.coordinates)
        WHERE run = ? GROUP BY json_each.key
        """, arguments: [run])
    return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"], $0["place"]) })
  }
}
