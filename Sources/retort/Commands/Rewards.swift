/// `retort rewards FILE STAGE`: what rewards give to answers that nobody had to learn.
import ArgumentParser
import Artifacts
import Foundation
import Pipelines
import Reports
import Scheduling
import Stages

struct RewardsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rewards",
    abstract:
      "Shows what a stage's rewards give the records' own answers, empty ones and swapped ones, before it trains.",
    discussion: """
      Swapped: every record gets the next one's answer. A reward that gives an empty answer as much as the best of the \
      own ones, or all answers the same, teaches nothing and is an error. What stages before it make has to be there: \
      `retort run FILE STAGE` makes it.
      """)

  @OptionGroup var source: PlanOptions
  @Argument(help: "The stage.", completion: .stages) var stage: String
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var stage: String
    var records: Int
    var rewards: [RewardTrial.Row]
  }

  func run() async throws {
    let plan = try source.plan()
    guard let id = try plan.ids(of: [stage])?.min() else { return }
    let planned = plan[id]
    let binding = StageBinding(
      inputs: try inputs(of: planned, plan), parameters: planned.parameters,
      outputs: Dictionary(uniqueKeysWithValues: planned.outputs.map { ($0.port, nowhere) }), seed: planned.seed)
    guard planned.command == nil,
      let rewarded = try StageCatalog.builtIn.make(planned.description.kind.name, binding) as? any RewardedStage
    else { throw Failure("the stage `\(stage)` rewards nothing") }
    let (trial, warnings) = try await RewardTrial.of(rewarded, threads: ProcessInfo.processInfo.processorCount)
    for warning in warnings { Terminal.complain("warning: \(warning)") }
    if json {
      try printJSON(Report(stage: planned.name, records: trial.records, rewards: trial.rows))
    } else {
      Terminal.say(table(trial))
    }
    let problems = trial.rows.compactMap { row in row.problem.map { "error: the reward `\(row.reward)` \($0)" } }
    guard problems.isEmpty else { throw Failure(verbatim: problems.joined(separator: "\n")) }
  }

  private func table(_ trial: RewardTrial) -> String {
    func shown(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "" }
    var table = Table(["reward", "weight", "own", "empty", "swapped"], numbers: [1, 2, 3, 4])
    for row in trial.rows {
      table.add([row.reward, shown(row.weight), shown(row.own), shown(row.empty), shown(row.swapped)])
    }
    return table.text
  }

  private var nowhere: URL { URL(filePath: "/dev/null", directoryHint: .notDirectory) }

  /// What is bound: files, results that are there, and nothing that the rewards do without.
  private func inputs(of stage: PlannedStage, _ plan: Plan) throws -> [String: BoundArtifact] {
    let preview = try Preview(plan, selected: plan.closure(of: [stage.id]), store: storeOptions)
    let resolved = preview.stages.first { $0.id == stage.id }?.resolved
    var bound: [String: BoundArtifact] = [:]
    for input in stage.inputs {
      let declared = stage.description.inputs.first { $0.name == input.declaredPort }
      let isTrained = declared?.modelUse == .policy
      switch input.source {
      case .file(let url): bound[input.port] = BoundArtifact(url: url, type: input.type)
      case .stage(let id, let port):
        let made = preview.stages.first { $0.id == id }?.outputs?[port]
        guard made != nil || isTrained else {
          throw Failure(
            "`\(plan[id].name)`, which makes `\(input.port)` of `\(stage.name)`, has no result yet: `retort run \(source.file) \(plan[id].name)`"
          )
        }
        bound[input.port] = BoundArtifact(url: made.map(preview.store.url) ?? nowhere, type: input.type)
      case .hub(let model):
        guard let found = resolved?.inputs[input.port], resolved?.absentModel == nil || isTrained else {
          throw Failure("\(model) is not here yet: a run brings it, or name a folder")
        }
        bound[input.port] = BoundArtifact(url: found.url(in: preview.store), type: input.type)
      }
    }
    return bound
  }
}
