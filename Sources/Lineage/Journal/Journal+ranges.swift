/// What `compare` takes for runs besides one run's name: ranges of numbers, and names of pipelines.
import Artifacts
import Basics
import GRDB
import Pipelines

extension Journal {
  /// The variants that an argument names, and a sentence on what it was taken for, where that is not plain.
  /// - Parameter argument: a run or variants of it (see `variants(named:store:)`); `3-12`, all runs with these numbers
  ///   but those that only found cached results; a pipeline, which stands for its latest run. A tag or the name of a run
  ///   goes before a pipeline of that name.
  package func comparedVariants(
    named argument: String, store: Store
  ) throws -> (variants: [Variant], note: String?) {
    if let range = try numbers(argument) {
      let (runs, idle) = try database.read { try $0.runs(in: range) }
      guard !runs.isEmpty else { throw UnknownRun(name: argument) }
      let left = idle.map(String.init).joined(separator: ", ")
      return (
        try runs.flatMap { try variants(of: $0, store: store) },
        idle.isEmpty ? nil : "`\(argument)` without \(left), which only found cached results"
      )
    }
    do { return (try variants(named: argument, store: store), nil) } catch let unknown as UnknownRun {
      let name = VariantName(argument).base
      let run = try database.read { db in
        try Int.fetchOne(
          db, sql: "SELECT max(run.id) FROM run JOIN pipeline ON pipeline.id = run.pipeline WHERE name = ?",
          arguments: [name])
      }
      guard let run else { throw unknown.suggestion == nil ? try suggestingPipeline(unknown) : unknown }
      return (
        try variants(named: "\(run)\(argument.dropFirst(name.count))", store: store),
        "`\(name)` is a pipeline: its latest run, \(run)"
      )
    }
  }

  /// `3-12`; `nil` for anything else. Throws if it goes backwards.
  private func numbers(_ argument: String) throws -> ClosedRange<Int>? {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = UInt32(parts[0]), let last = UInt32(parts[1]) else { return nil }
    guard first <= last else { throw ComparisonError.malformed(argument) }
    return Int(first)...Int(last)
  }

  private func suggestingPipeline(_ unknown: UnknownRun) throws -> UnknownRun {
    var unknown = unknown
    let names = try database.read { try String.fetchAll($0, sql: "SELECT DISTINCT name FROM pipeline") }
    unknown.suggestion = nearest(to: unknown.name, in: names)
    return unknown
  }
}

extension Database {
  /// In their order; those that only found cached results apart, unless that is all there is.
  fileprivate func runs(in range: ClosedRange<Int>) throws -> (runs: [Int], idle: [Int]) {
    let rows = try Row.fetchAll(
      self,
      sql: """
        SELECT id, NOT EXISTS (
          SELECT 1 FROM stage_run WHERE run = run.id AND (stage_run.state <> 'cached' OR origin IS stage_run.id)) AS idle
        FROM run WHERE id BETWEEN ? AND ? ORDER BY id
        """, arguments: [range.lowerBound, range.upperBound])
    let (all, idle) = (rows.map { $0["id"] as Int }, rows.filter { $0["idle"] }.map { $0["id"] as Int })
    return idle.count == all.count ? (all, []) : (all.filter { !idle.contains($0) }, idle)
  }
}
