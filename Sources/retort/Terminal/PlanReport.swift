/// What a run would do and why: for `plan`, `status` and `run -n`.
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

struct PlanReport: Encodable {
  struct Stage: Encodable {
    var name: String
    var kind: String
    /// `cached`, `will run`, `may run` or `broken`.
    var state: String
    var reason: String
    var key: String?
  }
  let pipeline: String
  let stages: [Stage]

  init(_ plan: Plan, selected: Set<StageID>? = nil, forced: Set<StageID> = [], store options: StoreOptions) throws {
    pipeline = plan.name
    let previews = try Preview(plan, selected: selected, forced: forced, store: options)
    stages = try previews.stages.map { preview in
      let (state, reason) = try previews.verdict(of: preview, forced: forced)
      let stage = plan[preview.id]
      return Stage(
        name: stage.name, kind: stage.description.kind.name, state: state, reason: reason,
        key: preview.resolved?.key.description)
    }
  }

  func print(json: Bool) throws {
    if json { return try printJSON(self) }
    var table = Table(["stage", "kind", "state", "reason"])
    for stage in stages { table.add([stage.name, stage.kind, stage.state, stage.reason]) }
    Swift.print(table.text)
    let counts = ["cached", "will run", "may run", "broken"].compactMap { state in
      let count = stages.count { $0.state == state }
      return count > 0 ? "\(count) \(state)" : nil
    }
    Swift.print("\n\(pipeline): \(counts.joined(separator: ", "))")
  }
}

/// A plan held against the store.
struct Preview {
  let plan: Plan
  let lineage: Journal
  let stages: [StagePreview]

  init(_ plan: Plan, selected: Set<StageID>? = nil, forced: Set<StageID> = [], store options: StoreOptions) throws {
    self.plan = plan
    let store = try Store(at: options.folder(root: plan.root))
    lineage = try Journal(at: store.database)
    stages = plan.preview(
      selected ?? Set(plan.stages.map(\.id)), forced: forced, store: store, journal: lineage, context: .thisMachine)
  }

  func verdict(of preview: StagePreview, forced: Set<StageID>) throws -> (state: String, reason: String) {
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
      let reason = changes.isEmpty ? "its result is gone" : "changed: \(shown)\(more)"
      return ("will run", reason + (beginning ?? extensionNote(preview, changes)))
    }
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
  func changes(of preview: StagePreview) throws -> [KeyDifference]? {
    guard let preimage = preview.resolved?.material.preimage else { return nil }
    return try lineage.differences(
      of: preimage, pipeline: plan.name, file: plan.file, stage: plan[preview.id].name)
  }
}
