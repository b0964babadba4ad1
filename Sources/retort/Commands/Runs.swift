/// `retort runs`: the history.
import ArgumentParser
import Artifacts
import Lineage

struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Lists runs, the latest first.")

  @Option(name: .shortAndLong, help: "At most so many.") var limit = 20
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    let runs = try storeOptions.reading().journal.runs(limit: limit)
    if json { return try printJSON(runs) }
    var table = Table(["run", "pipeline", "state", "started", "time", "stages"], numbers: [0, 4])
    for run in runs {
      let stages = run.stages.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
      table.add([
        "\(run.run)", run.pipeline, run.state, run.started.formatted(.iso8601),
        run.seconds.map(formatted(seconds:)) ?? "", stages,
      ])
    }
    Terminal.say(table.text)
  }
}
