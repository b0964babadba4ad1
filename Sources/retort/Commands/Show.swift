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
  @Flag(help: "Print the stage's log as it was written, control signs included, and nothing else.") var raw = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    if raw && (stage == nil || json) { throw ValidationError("--raw prints the log of one STAGE, without --json") }
  }

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    let number = try journal.run(named: name)
    var report = try journal.report(of: number, store: store)
    report.warnings += try journal.evaluationWarnings(ofRun: number, store: store, catalog: .builtIn)
    if let stage {
      let known = report.stages.map(\.name).joined(separator: ", ")
      report.stages = report.stages.filter { $0.name == stage }
      guard !report.stages.isEmpty else { throw Failure("run \(number) has no stage `\(stage)`; it has \(known)") }
    }
    if raw { return try report.stages.forEach { try passLog(of: $0, in: store) } }
    if stage != nil || json {
      for index in report.stages.indices { try nameOutputs(of: &report.stages[index], in: store, journal) }
    }
    if json { return try printJSON(report) }
    Terminal.say("run \(report.run) of \(report.pipeline): \(report.state), \(report.started.formatted(.iso8601))")
    if let recovery = report.recovery {
      Terminal.say(recovery.words(run: report.run, isOver: report.state != "running"))
    }
    if let next = report.continuedBy { Terminal.say("run \(next) goes on where this one was cut off") }
    if stage == nil { printSummary(report) } else { try report.stages.forEach { try printDetails($0, in: store) } }
    for warning in report.warnings where stage == nil { Terminal.say("warning: \(warning)") }
  }

  private func passLog(of stage: RunReport.Stage, in store: Store) throws {
    guard let log = stage.log else {
      throw Failure("`\(stage.name)` printed nothing in this run: it is \(stage.state)")
    }
    let url = URL(filePath: log)
    let file = try store.files.enclosure.open(url, O_RDONLY)
    var offset = 0
    while true {
      let chunk = try file.bytes(of: url, from: offset, atMost: 1 << 16)
      guard !chunk.isEmpty else { return }
      try Terminal.pass(chunk)
      offset += chunk.count
    }
  }

  /// Places under which files can be opened: they end as the files are called.
  private func nameOutputs(of stage: inout RunReport.Stage, in store: Store, _ journal: Journal) throws {
    let names = try journal.outputNames(ofKind: stage.kind, key: stage.key)
    for (port, output) in stage.outputs {
      let artifact = StoredArtifact(digest: output.digest, bytes: output.bytes, kind: output.kind)
      stage.outputs[port]?.path = try store.view(of: artifact, named: names[port]).posixPath
    }
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
    Terminal.say(table.text)
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
    Terminal.say(table.text)
    if let profile = stage.profile { Terminal.say("\n" + profile.table) }
    for failure in stage.failures { Terminal.say("\nfailed, \(failure.time.formatted(.iso8601)): \(failure.message)") }
    if stage.failures.isEmpty, let error = stage.error { Terminal.say(error) }
    guard let log = stage.log, stage.state != "failed" else { return }
    Terminal.say("\nlog: \(log)")
    for line in try lastLines(of: URL(filePath: log), beneath: store.root) { Terminal.say("  \(line)") }
  }
}
