/// Runs and variants side by side, as values: what went in, what came out, and where their lineages part.
import Artifacts
import Foundation
import Pipelines

package struct RunComparison: Codable, Sendable {
  /// One variant, or several that differ only in their seed.
  package struct Row: Codable, Sendable, Hashable {
    package var name: String
    /// The variants, by name.
    package var members: [String]
    /// What people call their runs: names and tags.
    package var labels: [String]
    package var coordinates: [Variant.Coordinate]
  }
  /// Something that may differ: for each row the values that its members have, each once.
  package struct Line: Codable, Sendable, Hashable {
    package var name: String
    package var values: [[String]]
    package var differs: Bool
  }
  /// A training stage and its verdicts: for each row those of its members, one for each time it was made.
  package struct Trained: Codable, Sendable, Hashable {
    package var stage: String
    package var verdicts: [[Pipelines.Verdict]]
  }
  /// Seconds that a stage took when it was made; means over a row's members.
  package struct Time: Codable, Sendable, Hashable {
    package var stage: String
    package var seconds: [Double?]
    /// Whether it was made more than once among the rows.
    package var differs: Bool
  }
  /// How a stage stands in the lineages.
  package enum Relation: String, Codable, Sendable {
    /// One key: the same result.
    case same
    /// Something of its own differs.
    case differs
    /// Only inputs differ that other stages made.
    case follows
    /// Not every row has it.
    case partial
  }
  package struct Stage: Codable, Sendable, Hashable {
    package var name: String
    package var relation: Relation
    /// Names of the key's components that differ.
    package var components: [String]
    /// For each row the keys of its members, each once.
    package var keys: [[String]]
  }

  /// How many metrics have results per type; more at once are more than anybody reads.
  private static let mostTyped = 4

  package var rows: [Row]
  /// The first row is what the others are held against.
  package var metrics: [Metric]
  /// What each training was worth, where one was judged.
  package var verdicts: [Trained]
  /// How many metrics differ besides, and are left out.
  package var moreMetrics: Int
  /// `student.with.tau`, and whatever else enters keys besides inputs.
  package var parameters: [Line]
  /// `split.data`: digest and path of what came from outside.
  package var inputs: [Line]
  /// `revision` of the project, `version` of retort.
  package var code: [Line]
  package var times: [Time]
  /// In order, so that the first that is not `same` is where the lineages part.
  package var lineage: [Stage]
  /// Sentences: figures that are too good, or not comparable.
  package var warnings: [String]
  /// Sentences: what could not be done, and why.
  package var notes: [String]

  /// What to compare by.
  package struct Request: Sendable {
    /// `stage.metric`; empty: what an experiment among the runs says, else the headlines, else what differs.
    package var metrics: [String] = []
    /// One of the metrics; with a leading `-` the highest first. Absent: what the experiment says.
    package var sort: String?
    /// Whether, with no `sort`, rows are put in order by the first metric of known direction, best first.
    package var ranks = false
    /// Metrics that are no headline, and that do not differ, too.
    package var all = false
    package init() {}
  }

  /// - Parameters:
  ///   - catalog: says what the stages' inputs and metrics mean.
  ///   - perQuery: a metric's value for each query that a stage evaluated, by the query's id.
  ///   - types: the type of each query that has one, by the query's id.
  /// - Throws: `ComparisonError` for metrics that no stage has.
  package init(
    _ variants: [Variant], _ request: Request = Request(), catalog: StageCatalog,
    perQuery: (RecordedStage, _ metric: String) throws -> PerQuery,
    types: (RecordedStage) throws -> [String: String] = { _ in [:] }
  ) throws {
    let requested = try MetricRequest(request, variants, catalog)
    let groups = requested.ordered(SeedGroup.groups(of: variants))
    let bases = Self.bases(of: variants)
    let sides = Sides(groups: groups, catalog: catalog)
    rows = groups.map { group in
      Row(
        name: group.name, members: group.members.map(\.name), labels: distinct(group.members.flatMap(\.labels)),
        coordinates: group.members[0].coordinates.filter { group.members.count == 1 || !$0.isSeed })
    }
    (metrics, notes) = try Self.metrics(
      requested.names, groups, catalog, perQuery: perQuery,
      types: requested.names.count > Self.mostTyped ? { _ in [:] } : types)
    moreMetrics = requested.more
    verdicts = bases.map { base in
      // A training that several members share was made once and counts once.
      let found = groups.map { group in
        let stages = group.members.compactMap { $0.stage(base) }
        return distinct(stages.map(\.maker)).compactMap { maker in
          stages.first { $0.maker == maker }?.report.verdict
        }
      }
      return Trained(stage: base, verdicts: found)
    }.filter { !$0.verdicts.joined().isEmpty }
    parameters = bases.flatMap { base in
      sides.lines(base, prefix: base) { stage in
        stage.components.filter { !$0.name.hasPrefix("in.") }.map { ($0.name, $0.value.shown) }
      }
    }
    inputs = bases.flatMap { base in
      sides.lines(base, prefix: base) { stage in
        stage.report.inputs.sorted { $0.key < $1.key }.compactMap { port, input in
          input.source.map { (port, "\(input.digest.description.prefix(12)) \($0)") }
        }
      }
    }
    code = [
      sides.line("pipeline") { "\($0.pipeline), \($0.file)" }, sides.line("revision") { $0.revision },
      sides.line("version") { $0.version }, sides.line("state") { $0.state },
    ]
    times = bases.map { sides.time($0) }
    lineage = bases.map { sides.stage($0) }
    warnings = sides.warnings + sides.incomparable(requested.names)
    let forgotten = lineage.filter { $0.relation == .differs && $0.components.isEmpty }.map { "`\($0.name)`" }
    if !forgotten.isEmpty {
      notes.append("what the keys of \(forgotten.joined(separator: ", ")) were made of is no longer in the store")
    }
  }

  /// Names of all variants' stages in an order that suits each.
  static func bases(of variants: [Variant]) -> [String] {
    var bases: [String] = []
    for variant in variants {
      var place = 0
      for base in variant.stages.map(\.report.base) {
        if let known = bases.firstIndex(of: base) {
          place = max(place, known + 1)
        } else {
          bases.insert(base, at: place)
          place += 1
        }
      }
    }
    return bases
  }
}

/// The rows' variants, asked for what they say on one thing.
private struct Sides {
  let groups: [SeedGroup]
  let catalog: StageCatalog
  private var variants: [Variant] { groups.flatMap(\.members) }

  func line(_ name: String, _ value: (Variant) -> String?) -> RunComparison.Line {
    let values = groups.map { group in distinct(group.members.compactMap(value)) }
    let counts = groups.map { group in group.members.count { value($0) != nil } }
    let isWhole = zip(groups, counts).allSatisfy { $0.members.count == $1 } || counts.allSatisfy { $0 == 0 }
    return .init(name: name, values: values, differs: Set(values.joined()).count > 1 || !isWhole)
  }

  /// One line for each name that a stage gives a value, in the order in which they come.
  func lines(
    _ base: String, prefix: String, _ values: (RecordedStage) -> [(name: String, value: String)]
  ) -> [RunComparison.Line] {
    let found = Dictionary(
      variants.map { variant in
        let pairs = variant.stage(base).map(values) ?? []
        return (variant.name, Dictionary(pairs.map { ($0.name, $0.value) }) { $1 })
      }
    ) { first, _ in first }
    let names = distinct(variants.flatMap { variant in variant.stage(base).map(values)?.map(\.name) ?? [] })
    return names.map { name in line("\(prefix).\(name)") { found[$0.name]?[name] } }
  }

  func time(_ base: String) -> RunComparison.Time {
    let stages = variants.compactMap { $0.stage(base) }
    return .init(
      stage: base,
      seconds: groups.map { group in Sample(group.members.compactMap { $0.stage(base)?.seconds })?.mean },
      differs: Set(stages.map(\.maker)).count > 1 || stages.count < variants.count)
  }

  func stage(_ base: String) -> RunComparison.Stage {
    let stages = variants.map { $0.stage(base) }
    let keys = groups.map { group in
      distinct(group.members.compactMap { $0.stage(base)?.report.key?.description })
    }
    let known = stages.compactMap { $0 }.filter { !$0.components.isEmpty }
    let values = known.map { stage in Dictionary(stage.components.map { ($0.name, $0.value) }) { $1 } }
    let names = distinct(known.flatMap { $0.components.map(\.name) })
      .filter { name in Set(values.map { $0[name] }).count > 1 }
    return .init(name: base, relation: .init(of: stages, differing: names), components: names, keys: keys)
  }

  /// What is wrong with evaluations, and where, unless it is so everywhere.
  var warnings: [String] {
    let found = variants.map { (name: $0.name, sentences: evaluationWarnings(of: $0.stages, catalog)) }
    return distinct(found.flatMap(\.sentences)).map { sentence in
      let places = found.filter { $0.sentences.contains(sentence) }.map(\.name)
      return places.count == found.count ? sentence : "\(sentence) (in \(places.joined(separator: ", ")))"
    }
  }

  /// Evaluations whose metrics are compared although rows evaluate other data. That seeds of one row do is as meant.
  func incomparable(_ metrics: [String]) -> [String] {
    let stages = distinct(metrics.map { DottedName($0).first }).filter { base in
      Set(groups.map { $0.evaluatedData(base, catalog) }.filter { !$0.isEmpty }).count > 1
    }
    if stages.isEmpty { return [] }
    let names = stages.map { "`\($0)`" }.joined(separator: ", ")
    return [
      "\(names): not all rows evaluate the same data, so their figures cannot be held against each other"
    ]
  }
}

extension RunComparison.Relation {
  /// - Parameters:
  ///   - stages: one a lineage; `nil` where it lacks the stage.
  ///   - names: the components of their keys that differ, as far as the store knows these.
  init(of stages: [RecordedStage?], differing names: [String]) {
    let keys = stages.map { $0?.report.key }
    let known = stages.compactMap(\.self).filter { !$0.components.isEmpty }
    let follows = !names.isEmpty && names.allSatisfy { name in known.allSatisfy { $0.isMadeInput(name) } }
    self = keys.contains(nil) ? .partial : Set(keys).count == 1 ? .same : follows ? .follows : .differs
  }
}

extension SeedGroup {
  /// Digests of the records that its members' stage evaluates; nothing for stages that evaluate nothing.
  func evaluatedData(_ base: String, _ catalog: StageCatalog) -> Set<Digest> {
    Set(
      members.compactMap { $0.stage(base)?.report }.flatMap { stage in
        let ports = catalog.describe(stage.kind)?.inputs(.evaluatedOn) ?? []
        return stage.inputs.filter { ports.contains(VariantName($0.key).base) }.map(\.value.digest)
      })
  }
}

/// Each element once, in the order of first appearance.
package func distinct<Element: Hashable>(_ elements: [Element]) -> [Element] {
  var seen: Set<Element> = []
  return elements.filter { seen.insert($0).inserted }
}
