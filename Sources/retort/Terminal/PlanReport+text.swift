/// A plan's report on a terminal, and how commands make one.
import Pipelines
import Reports
import Scheduling

extension Preview {
  init(_ plan: Plan, selected: Set<StageID>? = nil, forced: Set<StageID> = [], store options: StoreOptions) throws {
    let (store, journal) = try options.reading(root: plan.root)
    self.init(plan, selected: selected, forced: forced, store: store, journal: journal, context: .thisMachine)
  }
}

extension PlanReport {
  func show(json: Bool) throws {
    if json { return try printJSON(self) }
    let columns = ["stage", "kind", "state", "reason"]
    var table = Table(columns + (total == nil ? [] : StageForecast.columns))
    for stage in stages {
      let row = [stage.name, stage.kind, stage.state, stage.reason]
      let runs = stage.state == "will run" || stage.state == "may run"
      table.add(row + (total == nil ? [] : runs ? StageForecast.cells(stage.forecast) : StageForecast.noCells))
    }
    Terminal.say(table.text)
    for stage in stages where stage.publish?.if != nil {
      Terminal.say(
        "\(stage.name) is published to \(stage.publish?.path ?? "") unless training made it worse (not_worse)")
    }
    let counts = ["cached", "will run", "may run", "broken"].compactMap { state in
      let count = stages.count { $0.state == state }
      return count > 0 ? "\(count) \(state)" : nil
    }
    Terminal.say("\n\(pipeline): \(counts.joined(separator: ", "))")
    if let total, stages.contains(where: { $0.forecast != nil }) || !total.unknown.isEmpty { Terminal.say(total.text) }
  }
}
