/// `retort why FILE STAGE`: what changed in a stage's key since its last result.
import ArgumentParser
import Lineage
import Pipelines
import Reports
import Scheduling

struct Why: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says why a stage would run: every component of its key that differs from its last result.")

  @OptionGroup var source: PlanOptions
  @Argument(help: "The stage.", completion: .stages) var stage: String
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var stage: String
    var state: String
    var reason: String
    var key: String?
    var changes: [KeyDifference]
  }

  func run() throws {
    let plan = try source.plan()
    let target = try plan.ids(of: [stage]) ?? []
    let preview = try Preview(plan, selected: plan.closure(of: target), store: storeOptions)
    guard let found = preview.stages.first(where: { target.contains($0.id) }) else { return }
    let (state, reason) = try preview.verdict(of: found, forced: [])
    let changes = try preview.changes(of: found) ?? []
    let report = Report(
      stage: stage, state: state, reason: reason, key: found.resolved?.key.description, changes: changes)
    if json { return try printJSON(report) }
    Terminal.say("\(stage): \(state)" + (reason.isEmpty ? "" : ", \(reason)"))
    guard !changes.isEmpty else { return }
    var table = Table(["component", "was", "is"])
    for change in changes { table.add([change.component, change.old ?? "(absent)", change.new ?? "(absent)"]) }
    Terminal.say(table.text)
  }
}
