/// `retort show RUN [STAGE]`: one run, stage by stage.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Reports
import Scheduling

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a run: states, times, inputs, outputs and metrics; of one stage also its failures and its log.")

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name: String
  @Argument(help: "Only this stage, with everything about it.", completion: .recordedStages) var stage: String?
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
      let named = report.stages.filter { $0.name == stage }
      let chosen = named.isEmpty ? report.stages.filter { $0.base == stage } : named
      guard !chosen.isEmpty else {
        throw Failure(
          "run \(number) has no stage `\(stage)`\(hint(stage, among: report.stages.flatMap { [$0.name, $0.base] }))")
      }
      guard !raw || chosen.count == 1 else {
        throw Failure("--raw prints one log; `\(stage)` has the variants \(chosen.map(\.name).joined(separator: ", "))")
      }
      report.stages = chosen
    }
    if raw { return try report.stages.forEach { try passLog(of: $0, in: store) } }
    if stage != nil || json {
      let recorded = try journal.recordedStages(ofRun: number, store: store)
      for index in report.stages.indices {
        try nameOutputs(of: &report.stages[index], in: store, journal)
        report.stages[index].parameters = recorded.first { $0.report.name == report.stages[index].name }?.parameters(
          .builtIn)
      }
    }
    if json { return try printJSON(report) }
    let labels = ([report.name].compactMap(\.self) + report.tags).map { " `\($0)`" }.joined(separator: ",")
    Terminal.say(
      "run \(report.run)\(labels) of \(report.pipeline): \(report.state), \(report.started.formatted(.iso8601))")
    if let note = report.note { Terminal.say("note: \(note)") }
    if let recovery = report.recovery {
      Terminal.say(recovery.words(run: report.run, isOver: report.state != "running"))
    }
    if let next = report.continuedBy { Terminal.say("run \(next) goes on where this one was cut off") }
    if stage != nil, report.stages.count == 1 {
      try printDetails(report.stages[0], in: store)
    } else {
      printSummary(report)
      let verdicts = ReportSection(report.judgedTrainings)
      if stage == nil, !verdicts.isEmpty { Terminal.say("\n" + verdicts.text) }
      if let stage { Terminal.say("retort show \(number) '\(report.stages[0].name)' shows one of `\(stage)`") }
    }
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
      let metrics = orderedMetrics(stage) { report.headline.contains("\(stage.base).\($0)") }
      let shown = metrics.prefix(4).map { "\($0.name) \(formatted(metric: $0.value))" }.joined(separator: "  ")
      table.add([
        stage.name, stage.kind, stage.state, stage.seconds.map(formatted(seconds:)) ?? "",
        shown + (metrics.count > 4 ? "  … \(metrics.count - 4) more" : ""),
      ])
    }
    Terminal.say(table.text)
  }

  /// The file's headline, then as the stage's kind declares them, its own headline before the rest.
  private func orderedMetrics(
    _ stage: RunReport.Stage, isFirst: (String) -> Bool = { _ in false }
  ) -> [(name: String, value: Double)] {
    let declared = StageCatalog.builtIn.describe(stage.kind)?.metrics ?? []
    func place(_ name: String) -> Int {
      if isFirst(name) { return -2 }
      guard let index = declared.firstIndex(where: { $0.describes(name) }) else { return declared.count }
      return declared[index].isHeadline ? -1 : index
    }
    return stage.metrics.map { (place($0.key), $0.key, $0.value) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { ($0.1, $0.2) }
  }

  private func printDetails(_ stage: RunReport.Stage, in store: Store) throws {
    var table = Table(["", ""])
    table.add(["stage", "\(stage.name) (\(stage.kind)), \(stage.state), \(counted(stage.attempts, "attempt"))"])
    if let seconds = stage.seconds { table.add(["time", formatted(seconds: seconds)]) }
    if let key = stage.key { table.add(["key", key.description]) }
    for parameter in stage.parameters ?? [] {
      table.add([
        "with.\(parameter.name)",
        (parameter.value == .string("") ? "\"\"" : parameter.value.shown)
          + (parameter.isDefault == true ? "  (default)" : ""),
      ])
    }
    for (port, input) in stage.inputs.sorted(by: { $0.key < $1.key }) {
      table.add(["in.\(port)", "\(input.digest)  \(formatted(bytes: input.bytes))  \(input.source ?? "")"])
    }
    for (port, output) in stage.outputs.sorted(by: { $0.key < $1.key }) {
      table.add(["out.\(port)", "\(output.path)  \(formatted(bytes: output.bytes))"])
    }
    for (name, value) in orderedMetrics(stage) { table.add([name, formatted(metric: value)]) }
    if let verdict = stage.verdict { table.add(["verdict", verdict.sentence]) }
    Terminal.say(table.text)
    let types = try ReportSection(typesOf: stage, .builtIn)
    if !types.isEmpty { Terminal.say("\n" + types.text) }
    if let profile = stage.profile { Terminal.say("\n" + profile.table) }
    for failure in stage.failures { Terminal.say("\nfailed, \(failure.time.formatted(.iso8601)): \(failure.message)") }
    if stage.failures.isEmpty, let error = stage.error { Terminal.say(error) }
    guard let log = stage.log, stage.state != "failed" else { return }
    Terminal.say("\nlog: \(log)")
    for line in try lastLines(of: URL(filePath: log), beneath: store.root) { Terminal.say("  \(line)") }
  }
}
