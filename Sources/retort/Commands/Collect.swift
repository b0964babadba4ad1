/// `retort gc` and `retort pin`: what leaves the store, and what stays whatever happens.
import ArgumentParser
import Artifacts
import Basics
import Foundation
import Lineage
import Pipelines
import Reports

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Shows what nothing refers to in the store; with --apply removes it.",
    discussion: """
      What pinned runs, the last N runs, running work and the newest result of every stage of every pipeline file made \
      and used stays. The rest is marked by one --apply and removed by a later one, when it was without use for the \
      grace. The history (runs, lineage, metrics) stays, and what evaluations wrote of single queries (files up to 16 MiB, \
      of runs with a name, a tag or a note any), so that `compare` can test all runs; logs of runs that are not kept go.
      """)

  @Flag(help: "Mark and remove; without it nothing changes.") var apply = false
  @Option(help: "How many of the latest runs stay.") var keep = 10
  @Option(help: "How long something must have been without use, such as 1h, 30m or 0s.") var grace = "1h"
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private var graceSeconds: Double? { grace == "0s" ? 0 : parseDuration(grace)?.seconds }

  func validate() throws {
    guard keep >= 0 else { throw ValidationError("--keep takes a number of runs, 0 or more") }
    guard graceSeconds != nil else {
      throw ValidationError("--grace takes a time such as 1h, 30m or 0s, not `\(grace)`")
    }
  }

  func run() throws {
    let store = try Store(at: storeOptions.existing())
    var collector = Collector(
      store: store, journal: try Journal(at: store.database), keep: keep, grace: graceSeconds ?? 0,
      stages: Self.stageNames)
    let report =
      apply
      ? try collector.collect {
        Terminal.complain("waits for stages that are storing their results")
      } : try collector.survey()
    if json { return try printJSON(report) }
    show(report)
  }

  /// `nil` if the file cannot be planned: then nobody can tell which of its stages are gone.
  @Sendable private static func stageNames(of file: URL) -> Set<String>? {
    do { return Set(try Plan.read(file.path).stages.map(\.name)) } catch { return nil }
  }

  private func show(_ report: CollectionReport) {
    for digest in report.damagedFolders {
      Terminal.say("warning: the folder \(digest) is damaged; `retort verify` says what it belongs to")
    }
    for path in report.foreign {
      Terminal.say("warning: \(path) belongs to another user and stays until that user collects it")
    }
    if report.removed.isEmpty && report.waiting.isEmpty { return Terminal.say("everything in the store is in use") }
    var table = Table(
      ["what", report.isApplied ? "removed" : "would go", "size", "waits", "size"], numbers: [1, 2, 3, 4])
    let names = ["object": "objects", "work": "folders of work", "log": "folders of logs"]
    for area in ["object", "work", "log"] {
      let (now, later) = (report.removed[area] ?? .init(), report.waiting[area] ?? .init())
      guard now.count + later.count > 0 else { continue }
      table.add([
        names[area] ?? area, "\(now.count)", formatted(bytes: now.bytes), "\(later.count)",
        formatted(bytes: later.bytes),
      ])
    }
    Terminal.say(table.text)
    if !report.logs.isEmpty {
      Terminal.say("logs of runs that are not kept: \(report.logs.map(String.init).joined(separator: ", "))")
    }
    if !report.waiting.isEmpty {
      let what = report.isApplied ? "is marked and goes" : "is marked by --apply and goes"
      Terminal.say("what waits \(what) with the first --apply after \(grace) without use")
    } else if !report.isApplied {
      Terminal.say("nothing was removed; --apply does it")
    }
  }
}

struct Pin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keeps what a run made and used from `gc`; without a run, lists the pinned ones.")

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name: String?
  @Flag(help: "No longer keep it.") var unpin = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable { var pinned: [Int] }

  func validate() throws {
    if unpin && name == nil { throw ValidationError("--unpin takes a run: retort pin RUN --unpin") }
  }

  func run() throws {
    let journal = try Journal(at: storeOptions.existing().appending(path: "retort.sqlite"))
    if let name { try journal.pin(journal.run(named: name), !unpin) }
    let pins = try journal.pins()
    if json { return try printJSON(Report(pinned: pins)) }
    Terminal.say(pins.isEmpty ? "no run is pinned" : "pinned: \(pins.map(String.init).joined(separator: ", "))")
  }
}
