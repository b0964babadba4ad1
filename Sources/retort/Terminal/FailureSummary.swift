/// What to read after a run that failed: each failed stage with its cause, what was skipped for it, and where more is.
import Escaping
import Pipelines
import Scheduling

struct FailureSummary {
  private let plan: Plan
  private var states: [StageID: StageState] = [:]
  /// The last of each stage.
  private var failures: [StageID: StageFailure] = [:]

  init(_ plan: Plan) { self.plan = plan }

  mutating func moved(_ id: StageID, to state: StageState) { states[id] = state }
  mutating func failed(_ id: StageID, _ failure: StageFailure) { failures[id] = failure }

  func lines(run: Int) -> [String] {
    let failed = stages(.failed).map { id in
      let name = plan[id].name
      return "failed: \(name): \(failures[id]?.cause ?? ""); more: retort show \(run) \(Escape.shellWord(name))"
    }
    let skipped = Dictionary(grouping: stages(.skipped), by: cause).sorted { $0.value[0] < $1.value[0] }
    return failed
      + skipped.map { cause, stages in
        let names = stages.prefix(8).map { plan[$0].name }.joined(separator: ", ")
        return "skipped: \(names)" + (stages.count > 8 ? " and \(stages.count - 8) more" : "") + ": \(cause)"
      }
  }

  /// Why a stage was skipped.
  func cause(_ id: StageID) -> String {
    let needed = plan.closure(of: [id]).filter { states[$0] == .failed }.sorted().map { "`\(plan[$0].name)`" }
    if needed.isEmpty { return "the run stopped at another stage's failure; -k goes on" }
    return "\(needed.joined(separator: ", ")) failed"
  }

  private func stages(_ state: StageState) -> [StageID] { states.filter { $0.value == state }.keys.sorted() }
}
