/// The metrics of a comparison: means over seeds, differences to the first row, and whether they could be chance.
///
/// A difference is called better or worse only where no test can take it for chance. Two things are drawn by chance, and
/// each has its test. Queries: a paired randomisation test of each query's mean over a row's seeds, for models as they
/// are. Seeds: Welch's t-test of the rows' figures, where both rows have three or more, for models as they could have
/// been. A difference is clear if every test that could be made says so (p < 0.05); where none could be made, as of two
/// single figures without results per query, it stands as it is measured.
import Basics
import Foundation
import Pipelines

/// Mean and sample standard deviation (divided by n − 1).
package struct Sample: Codable, Sendable, Hashable {
  package var mean: Double
  /// `nil` of a single value.
  package var deviation: Double?
  package var count: Int

  /// `nil` of no values.
  package init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    count = values.count
    // In order and never beyond the values: the same values have the same mean, in whichever order they come, and equal
    // ones have no rounding that a test would take for a difference.
    let ordered = values.sorted()
    let mean = min(max(ordered.reduce(0, +) / Double(count), ordered[0]), ordered[count - 1])
    self.mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = count > 1 ? (squares / Double(count - 1)).squareRoot() : nil
  }
}

/// A metric's values for single queries.
package enum PerQuery: Sendable {
  /// By the query's id.
  case values([String: Double])
  /// The stage, or the metric, has none.
  case none
  /// There were some; why they cannot be had.
  case gone(String)
}

extension RunComparison {
  package enum Verdict: String, Codable, Sendable {
    case better, worse, same
    /// A test takes the difference for chance.
    case unclear
  }

  package struct Metric: Codable, Sendable, Hashable {
    /// `scores.ndcg@10`
    package var name: String
    /// Absent: no judgement.
    package var direction: MetricDirection?
    /// One a row.
    package var cells: [Cell]
    /// The same for each type of query, where the evaluation tells types apart; by type.
    package var types: [TypedCells]
  }

  package struct TypedCells: Codable, Sendable, Hashable {
    package var type: String
    /// How many queries of this type every row has.
    package var queries: Int
    /// One a row; their samples are means over queries.
    package var cells: [Cell]
  }

  package struct Cell: Codable, Sendable, Hashable {
    /// Absent: no member has the metric.
    package var sample: Sample?
    /// One a member.
    package var values: [Double?]
    /// How far the mean is above the first row's; absent in the first row.
    package var difference: Double?
    package var verdict: Verdict?
    /// The test of the differences to the first row, query by query; each query's value is first averaged over a row's
    /// members.
    package var test: RandomisationTest?
    /// The test of the values of seeds against the first row's.
    package var seedTest: WelchTest?

    fileprivate mutating func compare(
      to first: Sample, _ direction: MetricDirection?, _ test: RandomisationTest?, _ seedTest: WelchTest?
    ) {
      guard let sample else { return }
      let difference = sample.mean - first.mean
      (self.difference, self.test, self.seedTest) = (difference, test, seedTest)
      if difference == 0 {
        verdict = .same
      } else if [test?.p, seedTest?.p].contains(where: { $0 ?? 0 >= Pipelines.Verdict.alpha }) {
        verdict = .unclear
      } else {
        verdict = direction.map { $0.prefers(sample.mean, to: first.mean) ? .better : .worse }
      }
    }
  }

  static func metrics(
    _ names: [String], _ groups: [SeedGroup], _ catalog: StageCatalog,
    perQuery: (RecordedStage, String) throws -> PerQuery,
    types: (RecordedStage) throws -> [String: String]
  ) throws -> ([Metric], notes: [String]) {
    var notes: [String] = []
    let metrics = try names.map { name in
      let direction = metricDirection(name, groups.flatMap(\.members), catalog)
      var cells = groups.map { group in
        Cell(sample: group.sample(name), values: group.members.map { $0.metric(name) })
      }
      var queries: [[String: Double]?] = []
      // On other data the queries that both happen to have stand for neither.
      let base = DottedName(name).first
      for (row, group) in groups.enumerated() {
        guard groups.count > 1, cells[row].sample != nil else {
          queries.append(nil)
          continue
        }
        let (values, gone) = try group.perQuery(name, perQuery)
        notes += gone
        queries.append(group.evaluatedData(base, catalog) == groups[0].evaluatedData(base, catalog) ? values : nil)
        guard row > 0, let first = cells[0].sample, let own = cells[row].sample else { continue }
        cells[row].compare(
          to: first, direction, RandomisationTest(queries[row], queries[0]), WelchTest(first, own))
      }
      let typed = try groups[0].members[0].stage(base).map(types) ?? [:]
      return Metric(
        name: name, direction: direction, cells: cells, types: byType(typed, queries, direction))
    }
    return (metrics, distinct(notes))
  }

  /// Nothing unless every row has its queries, and these are of several types.
  private static func byType(
    _ types: [String: String], _ queries: [[String: Double]?], _ direction: MetricDirection?
  ) -> [TypedCells] {
    let whole = queries.compactMap(\.self)
    guard !whole.isEmpty, whole.count == queries.count else { return [] }
    let ids = types.keys.filter { id in whole.allSatisfy { $0[id] != nil } }
    let names = Set(ids.map { types[$0] ?? "" })
    guard names.count > 1 else { return [] }
    return names.sorted().map { name in
      let own = Set(ids.filter { types[$0] == name })
      let values = whole.map { $0.filter { own.contains($0.key) } }
      var cells = values.map { values in
        var sample = Sample(values.sorted { $0.key < $1.key }.map(\.value))
        sample?.deviation = nil  // of queries, not of seeds
        return Cell(sample: sample, values: [])
      }
      for row in cells.indices.dropFirst() {
        guard let first = cells[0].sample else { continue }
        cells[row].compare(to: first, direction, RandomisationTest(values[row], values[0]), nil)
      }
      return TypedCells(type: name, queries: own.count, cells: cells)
    }
  }
}

extension RandomisationTest {
  /// Tests the queries that both have; `nil` if these are none.
  fileprivate init?(_ values: [String: Double]?, _ reference: [String: Double]?) {
    guard let values, let reference else { return nil }
    // In the order of ids, so that the draws are the same every time.
    let shared = values.keys.filter { reference[$0] != nil }.sorted()
    guard !shared.isEmpty else { return nil }
    self.init(differences: shared.map { values[$0]! - reference[$0]! })
  }
}

extension SeedGroup {
  fileprivate func sample(_ name: String) -> Sample? { Sample(members.compactMap { $0.metric(name) }) }

  /// Each query's mean over the members that have it, which the seed may decide; `nil` unless every member has some.
  fileprivate func perQuery(
    _ name: String, _ values: (RecordedStage, String) throws -> PerQuery
  ) throws -> ([String: Double]?, gone: [String]) {
    let name = DottedName(name)
    var gone: [String] = []
    var found: [String: [Double]] = [:]
    var isWhole = true
    for member in members {
      switch try member.stage(name.first).map({ try values($0, name.rest ?? "") }) {
      case .values(let values): for (id, value) in values { found[id, default: []].append(value) }
      case .gone(let reason): gone.append("no test for `\(name.first)` of \(member.name): \(reason)")
      case .some(.none), nil: isWhole = false
      }
    }
    return (isWhole && gone.isEmpty ? found.compactMapValues { Sample($0)?.mean } : nil, gone)
  }
}

extension Variant {
  /// The final value of `stage.metric`.
  fileprivate func metric(_ name: String) -> Double? {
    let name = DottedName(name)
    return name.rest.flatMap { stage(name.first)?.report.metrics[$0] }
  }
}

/// Which way `stage.metric` is good, as the stage's kind declares it.
private func metricDirection(_ name: String, _ variants: [Variant], _ catalog: StageCatalog) -> MetricDirection? {
  let name = DottedName(name)
  return variants.lazy.compactMap { $0.stage(name.first)?.report.kind }.first
    .flatMap { catalog.direction(ofMetric: name.rest ?? "", kind: $0) }
}

/// Which metrics, in which order of rows: resolved from what was asked for and what the runs have.
struct MetricRequest {
  let names: [String]
  /// How many metrics differ besides.
  let more: Int
  /// `nil`: rows stay as they were named.
  private let sort: (name: String, direction: MetricDirection)?

  init(_ request: RunComparison.Request, _ variants: [Variant], _ catalog: StageCatalog) throws {
    let known = RunComparison.bases(of: variants).flatMap { base in
      distinct(variants.flatMap { $0.stage(base)?.report.metrics.keys.sorted() ?? [] }).map { "\(base).\($0)" }
    }
    func check(_ name: String) throws -> String {
      guard known.contains(name) else { throw ComparisonError.unknownMetric(name, known: known) }
      return name
    }
    // What an experiment names may not have been measured yet, if its run failed.
    let comparison = variants.compactMap(\.comparison).first
    let headline = distinct(variants.flatMap(\.headline)).filter(known.contains)
    let differing = known.filter { name in Set(variants.map { $0.metric(name) }).count > 1 }
    if !request.metrics.isEmpty {
      names = try request.metrics.map(check)
    } else if let comparison, !comparison.metrics.isEmpty {
      names = distinct(headline.filter(comparison.metrics.contains) + comparison.metrics)
    } else if request.all {
      names = distinct(headline + known)
    } else {
      names = headline.isEmpty ? differing : headline
    }
    more = Set(differing).subtracting(names).count
    func order(_ text: String) -> (String, MetricDirection) {
      text.hasPrefix("-") ? (String(text.dropFirst()), .higher) : (text, .lower)
    }
    if let text = request.sort {
      let (name, direction) = order(text)
      sort = (try check(name), direction)
    } else if request.metrics.isEmpty, let text = comparison?.sort {
      sort = order(text)
    } else if request.ranks {
      sort = names.lazy.compactMap { name in metricDirection(name, variants, catalog).map { (name, $0) } }.first
    } else {
      sort = nil
    }
  }

  /// Rows without the metric go last.
  func ordered(_ groups: [SeedGroup]) -> [SeedGroup] {
    guard let sort else { return groups }
    let values = groups.map { $0.sample(sort.name)?.mean }
    return groups.indices.sorted { left, right in
      switch (values[left], values[right]) {
      case (let left?, let right?) where left != right: sort.direction.prefers(left, to: right)
      case (_?, nil): true
      case (nil, _?): false
      default: left < right
      }
    }.map { groups[$0] }
  }
}
