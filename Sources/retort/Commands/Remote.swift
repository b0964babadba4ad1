/// `retort push` and `retort pull`: results that several machines share through a folder.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

struct RemoteOptions: ParsableArguments {
  @Option(help: "The remote store, a folder that machines share; else $RETORT_REMOTE.", completion: .directory)
  var remote: String?

  /// `nil` if none is named.
  var folder: URL? {
    (remote ?? ProcessInfo.processInfo.environment["RETORT_REMOTE"]).map { URL(filePath: $0).absoluteURL }
  }

  func named() throws -> URL {
    guard let folder else { throw Failure("name the remote store: --remote DIR, or RETORT_REMOTE in the environment") }
    return folder
  }

  /// An error for people if it cannot be used.
  func opened() throws -> RemoteStore {
    do { return try RemoteStore(at: named()) } catch let error as RemoteUnavailable {
      throw Failure("\(error)", exit: .stageFailed)
    }
  }
}

struct Push: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copies a run's results to a remote store, from which `pull` and `run --pull` restore them.")

  @Argument(help: ArgumentHelp("The run's number, or `latest`.", valueName: "run")) var name = "latest"
  @OptionGroup var remoteOptions: RemoteOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var run: Int
    var remote: String
    var stages: [String]
    var files: Int
    var bytes: Int
  }

  func run() throws {
    let store = try Store(at: storeOptions.existing())
    let journal = try Journal(at: store.database)
    let number = try journal.run(named: name)
    let remote = try remoteOptions.opened()
    let results = try journal.remoteResults(ofRun: number)
    guard !results.isEmpty else {
      throw Failure("run \(number) has no results in the store; `retort show \(number)` lists its stages")
    }
    var report = Report(run: number, remote: remote.root.path, stages: [], files: 0, bytes: 0)
    for result in results {
      let sent: (files: Int, bytes: Int)
      do { sent = try remote.push(result, from: store) } catch let damage as Damage {
        throw Failure(
          "\(damage), of stage `\(result.stage)`; `retort verify` takes it out of the way, the next run makes it again",
          exit: .storeDamaged)
      }
      report.stages.append(result.stage)
      report.files += sent.files
      report.bytes += sent.bytes
      if !json { print("[\(result.stage)] \(sent.files) files sent, \(formatted(bytes: sent.bytes))") }
    }
    if json { return try printJSON(report) }
    print("run \(number): \(results.count) results are in \(remote.root.path)")
  }
}

struct Pull: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Restores from a remote store the results of a pipeline that this store lacks; computes nothing.")

  @OptionGroup var source: PlanOptions
  @OptionGroup var remoteOptions: RemoteOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var remote: String
    var pulled: [String] = []
    var present: [String]
    /// Neither here nor there.
    var missing: [String]
    /// That recorded what was pulled.
    var run: Int?
  }

  func run() async throws {
    var plan = try source.plan()
    // What is pulled stays in the store.
    for index in plan.stages.indices { plan.stages[index].publish = nil }
    let remote = try remoteOptions.opened()
    let folder = storeOptions.folder(root: plan.root)
    let store = try Store(at: folder)
    let journal = try Journal(at: store.database)
    let (here, there, missing) = try plan.availability(
      in: remote, store: store, journal: journal, context: .thisMachine)
    func names(_ ids: some Sequence<StageID>) -> [String] { ids.sorted().map { plan[$0].name } }
    var report = Report(remote: remote.root.path, present: names(here), missing: names(missing))
    if !there.isEmpty {
      let coordinator = Coordinator(
        plan,
        options: RunOptions(
          limits: RunLimits(
            jobs: ProcessInfo.processInfo.processorCount, threads: .max / 2, memory: .max / 2, keepGoing: true),
          selected: plan.closure(of: there), remote: RemoteOrder(folder: remote.root, isOnly: true)),
        store: store, journal: journal, context: .thisMachine, executor: LocalExecutor(try .thisBinary(for: plan)))
      let interrupts = Interrupts.handle { coordinator.interrupt() }
      defer { interrupts.forEach { $0.cancel() } }
      async let summary = coordinator.run()
      let reporter = TextReporter(plan, store: folder, live: false)
      for await events in coordinator.events where !json { events.forEach(reporter.report) }
      let outcome = try await summary
      if outcome.outcome != .done { throw ExitCode(outcome.outcome.exitCode) }
      report.run = outcome.run
      report.pulled = names(there)
    }
    if json { return try printJSON(report) }
    print("\(there.count) pulled from \(remote.root.path), \(here.count) were here")
    if !missing.isEmpty { print("not in the remote store: \(report.missing.joined(separator: ", "))") }
  }
}
