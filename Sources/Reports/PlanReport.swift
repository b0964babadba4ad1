/// What a run would do and why: for `plan`, `status` and `run -n`.
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

package struct PlanReport: Encodable {
  package struct Stage: Encodable {
    package var name: String
    package var kind: String
    /// `cached`, `will run`, `may run` or `broken`.
    package var state: String
    package var reason: String
    package var key: String?
    /// Where its outputs are copied to when it is done, and on which condition.
    package var publish: Destination?
    /// What a stage that will or may run is going to take, where something is known of it.
    package var forecast: StageForecast?
  }
  package struct Destination: Encodable {
    package var path: String
    package var `if`: String?
  }
  package let pipeline: String
  package private(set) var stages: [Stage]
  package private(set) var total: PlanTotal?

  package init(_ preview: Preview, forced: Set<StageID> = []) throws {
    pipeline = preview.plan.name
    stages = try preview.stages.map { stage in
      let (state, reason) = try preview.verdict(of: stage, forced: forced)
      let planned = preview.plan[stage.id]
      return Stage(
        name: planned.name, kind: planned.description.kind.name, state: state, reason: reason,
        key: stage.resolved?.key.description,
        publish: planned.publish.map { Destination(path: $0.url.path, if: $0.condition?.rawValue) })
    }
  }

  package mutating func add(_ forecasts: [StageID: StageForecast], of preview: Preview, _ total: PlanTotal) {
    for (index, stage) in preview.stages.enumerated() { stages[index].forecast = forecasts[stage.id] }
    self.total = total
  }
}

/// A plan held against the store.
package struct Preview {
  package let plan: Plan
  package let store: Store
  package let lineage: Journal
  package let stages: [StagePreview]

  /// - Parameter context: what enters keys from the machine.
  package init(
    _ plan: Plan, selected: Set<StageID>? = nil, forced: Set<StageID> = [], store: Store, journal: Journal,
    context: KeyContext
  ) {
    self.plan = plan
    self.store = store
    lineage = journal
    stages = plan.preview(
      selected ?? Set(plan.stages.map(\.id)), forced: forced, store: store, journal: journal, context: context)
  }

  package func verdict(of preview: StagePreview, forced: Set<StageID>) throws -> (state: String, reason: String) {
    switch preview.verdict {
    case .cached: return ("cached", "")
    case .broken(let problem): return ("broken", problem)
    case .mayRun(let stages):
      return ("may run", "waits for \(stages.map { "`\(plan[$0].name)`" }.joined(separator: ", "))")
    case .willRun(let damage?): return ("will run", "\(damage)")
    case .willRun:
      if forced.contains(preview.id) { return ("will run", "forced") }
      let beginning = preview.savedStep.map { "; continues after step \($0)" }
      guard let changes = try changes(of: preview) else {
        return ("will run", "no earlier result" + (beginning ?? ""))
      }
      let shown = changes.prefix(3).map(\.component).joined(separator: ", ")
      let more = changes.count > 3 ? " and \(changes.count - 3) more" : ""
      let reason = changes.isEmpty ? "its result is gone" : "changed: \(shown)\(more)" + otherNumerics(changes)
      return ("will run", reason + (beginning ?? extensionNote(preview, changes)))
    }
  }

  /// With what the last result was computed, where this machine computes with something else.
  private func otherNumerics(_ changes: [KeyDifference]) -> String {
    guard let change = changes.first(where: { $0.component == "numerics" }), let old = change.old, let new = change.new
    else { return "" }
    func plain(_ shown: String) -> String { shown.filter { $0 != "\"" } }
    return "; computed with \(plain(old)) then, with \(plain(new)) here"
  }

  /// What becomes of the training before, if all that changed is that it is to be longer.
  private func extensionNote(_ preview: StagePreview, _ changes: [KeyDifference]) -> String {
    let stage = plan[preview.id]
    guard let name = stage.description.parameters.first(where: \.extends)?.name, changes.count == 1,
      changes[0].component == "with.\(name)", let old = changes[0].old.flatMap({ Int($0) }),
      let new = changes[0].new.flatMap({ Int($0) }), new > old
    else { return "" }
    if let obstacle = stage.obstacleToExtending { return "; starts anew: \(obstacle)" }
    if let state = preview.continuation { return "; continues from `\(name): \(state.length)`" }
    return "; starts anew: no final state of `\(name): \(old)` is stored"
  }

  /// What differs from the key of the stage's last result; `nil` if it has none.
  package func changes(of preview: StagePreview) throws -> [KeyDifference]? {
    guard let preimage = preview.resolved?.material.preimage else { return nil }
    return try lineage.differences(
      of: preimage, pipeline: plan.name, file: plan.file, stage: plan[preview.id].name)
  }
}
