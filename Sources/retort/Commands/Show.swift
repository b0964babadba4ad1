/// `retort show RUN [STAGE]`: one run, stage by stage.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Scheduling

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a run: states, times, inputs, outputs and metrics; of one stage also its failures and its log.")

  @Argument(help: ArgumentHelp("The run's number, or `latest`.", valueName: "run")) var name: String
  @Argument(help: "Only this stage, with everything about it.") var stage: String?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    let number = try journal.run(named: name)
    var report = try journal.report(of: number, store: store)
    report.warnings += try journal.evaluationWarnings(ofRun: number, store: store)
    if let stage {
      let known = report.stages.map(\.name).joined(separator: ", ")
      report.stages = report.stages.filter { $0.name == stage }
      guard !report.stages.isEmpty else { throw Failure("run \(number) has no stage `\(stage)`; it has \(known)") }
    }
    if json { return try printJSON(report) }
    print("run \(report.run) of \(report.pipeline): \(report.state), \(report.started.formatted(.iso8601))")
    if stage == nil { printSummary(report) } else { try report.stages.forEach { try printDetails($0, in: store) } }
    for warning in report.warnings where stage == nil { print("warning: \(warning)") }
  }

  private func printSummary(_ report: RunReport) {
    var table = Table(["stage", "kind", "state", "time", "metrics"], numbers: [3])
    for stage in report.stages {
      let metrics = stage.metrics.sorted { $0.key < $1.key }
      let shown = metrics.prefix(4).map { "\($0.key) \(formatted(metric: $0.value))" }.joined(separator: "  ")
      table.add([
        stage.name, stage.kind, stage.state, stage.seconds.map(formatted(seconds:)) ?? "",
        shown + (metrics.count > 4 ? "  … \(metrics.count - 4) more" : ""),
      ])
    }
    print(table.text)
  }

  private func printDetails(_ stage: RunReport.Stage, in store: Store) throws {
    var table = Table(["", ""])
    table.add(["stage", "\(stage.name) (\(stage.kind)), \(stage.state), \(stage.attempts) attempts"])
    if let seconds = stage.seconds { table.add(["time", formatted(seconds: seconds)]) }
    if let key = stage.key { table.add(["key", key.description]) }
    for (port, input) in stage.inputs.sorted(by: { $0.key < $1.key }) {
      table.add(["in.\(port)", "\(input.digest)  \(formatted(bytes: input.bytes))  \(input.source ?? "")"])
    }
    for (port, output) in stage.outputs.sorted(by: { $0.key < $1.key }) {
      table.add(["out.\(port)", "\(output.path)  \(formatted(bytes: output.bytes))"])
    }
    for (name, value) in stage.metrics.sorted(by: { $0.key < $1.key }) { table.add([name, formatted(metric: value)]) }
    print(table.text)
    if let profile = stage.profile { print("\n" + profile.table) }
    for failure in stage.failures { print("\nfailed, \(failure.time.formatted(.iso8601)): \(failure.message)") }
    if stage.failures.isEmpty, let error = stage.error { print(error) }
    guard let log = stage.log, stage.state != "failed" else { return }
    print("\nlog: \(log)")
    for line in try lastLines(of: URL(filePath: log), beneath: store.root) { print("  \(line)") }
  }
}
