/// `retort push` and `retort pull`: results that several machines share through a folder.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Reports
import Scheduling

struct RemoteOptions: ParsableArguments {
  @Option(help: "The remote store, a folder that machines share; else $RETORT_REMOTE.", completion: .directory)
  var remote: String?

  @Option(
    help: ArgumentHelp(
      "A file with a secret that signs what is pushed; what it did not sign is not pulled. Else $RETORT_REMOTE_KEY, the secret itself.",
      valueName: "file"),
    completion: .file())
  var remoteKey: String?

  /// `nil` if none is named.
  var folder: URL? {
    (remote ?? ProcessInfo.processInfo.environment["RETORT_REMOTE"]).map { URL(filePath: $0).absoluteURL }
  }

  func named() throws -> URL {
    guard let folder else { throw Failure("name the remote store: --remote DIR, or RETORT_REMOTE in the environment") }
    return folder
  }

  /// `nil` if none is given.
  func key() throws -> RemoteKey? {
    do {
      if let remoteKey { return try RemoteKey(file: URL(filePath: remoteKey)) }
      let variable = "RETORT_REMOTE_KEY"
      guard let secret = ProcessInfo.processInfo.environment[variable] else { return nil }
      guard secret.isEmpty || FileStatus.of(URL(filePath: secret)) == nil else {
        throw Failure("$\(variable) is the name of a file, expected the secret itself; name the file with --remote-key")
      }
      return try RemoteKey(secret: Data(secret.utf8), from: "$\(variable)")
    } catch let error as UnusableRemoteKey { throw Failure("\(error)") }
  }

  /// An error for people if it cannot be used.
  func opened() throws -> RemoteStore {
    do { return try RemoteStore(at: named(), key: key()) } catch let error as RemoteUnavailable {
      throw Failure("\(error)", exit: .stageFailed)
    }
  }
}

private let remoteTrust = """
  Whoever may write to a remote store's folder may replace results in it. With a key, a secret that those share who \
  trust each other, results are signed, and others are refused; `openssl rand -hex 32 > FILE` makes one.
  """

struct Push: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copies a run's results to a remote store, from which `pull` and `run --pull` restore them.",
    discussion: remoteTrust)

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name = "latest"
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
      let stage = result.recorded.result.stage
      let sent: (files: Int, bytes: Int)
      do { sent = try remote.push(result, from: store) } catch let damage as Damage {
        throw Failure(
          "\(damage), of stage `\(stage)`; `retort verify` takes it out of the way, the next run makes it again",
          exit: .storeDamaged)
      }
      report.stages.append(stage)
      report.files += sent.files
      report.bytes += sent.bytes
      if !json {
        Terminal.say("[\(stage)] \(counted(sent.files, "file")) sent, \(formatted(bytes: sent.bytes))")
      }
    }
    if json { return try printJSON(report) }
    Terminal.say("run \(number): \(counted(results.count, "result")) in \(remote.root.path)")
  }
}

struct Pull: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Restores from a remote store the results of a pipeline that this store lacks; computes nothing.",
    discussion: remoteTrust)

  @OptionGroup var source: PlanOptions
  @OptionGroup var remoteOptions: RemoteOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    struct Refusal: Encodable {
      var stage: String
      var reason: String
    }
    var remote: String
    var pulled: [String] = []
    var present: [String]
    /// Neither here nor there.
    var missing: [String]
    /// There, and not to be believed or not to be read.
    var refused: [Refusal]
    /// That recorded what was pulled.
    var run: Int?
  }

  func run() async throws {
    var plan = try source.plan()
    // What is pulled stays in the store.
    for index in plan.stages.indices { plan.stages[index].publish = nil }
    let remote = try remoteOptions.opened()
    let folder = try storeOptions.folder(root: plan.root)
    let store = try Store(at: folder)
    let journal = try Journal(at: store.database)
    let found = try plan.availability(in: remote, store: store, journal: journal, context: .thisMachine)
    func names(_ ids: some Sequence<StageID>) -> [String] { ids.sorted().map { plan[$0].name } }
    var report = Report(
      remote: remote.root.path, present: names(found.here), missing: names(found.missing),
      refused: found.refused.map { .init(stage: plan[$0.stage].name, reason: "\($0.error)") })
    var outcome = RunOutcome.done
    if !found.there.isEmpty {
      let coordinator = Coordinator(
        plan,
        options: RunOptions(
          limits: RunLimits(
            jobs: ProcessInfo.processInfo.processorCount, threads: .max / 2, memory: .max / 2, keepGoing: true),
          selected: plan.closure(of: found.there),
          remote: RemoteOrder(folder: remote.root, isOnly: true, isSigned: remote.key != nil)),
        store: store, journal: journal, context: .thisMachine,
        executor: LocalExecutor(try .thisBinary(for: plan), remoteKey: remote.key))
      let interrupts = Interrupts.handle { coordinator.interrupt() }
      defer { interrupts.forEach { $0.cancel() } }
      async let summary = coordinator.run()
      let reporter = TextReporter(plan, store: folder, live: false)
      var pulled: Set<StageID> = []
      for await events in coordinator.events {
        for event in events {
          switch event {
          case .moved(let id, .cached) where found.there.contains(id): pulled.insert(id)
          case .failed(let id, let failure):
            report.refused.append(.init(stage: plan[id].name, reason: failure.cause))
          default: break
          }
          if !json { reporter.report(event) }
        }
      }
      let ended = try await summary
      outcome = ended.outcome
      report.run = ended.run
      report.pulled = names(pulled)
    }
    if !found.refused.isEmpty && outcome == .done { outcome = .failed }
    if json {
      try printJSON(report)
    } else {
      for (id, error) in found.refused { Terminal.say("[\(plan[id].name)] refused: \(error)") }
      Terminal.say("\(report.pulled.count) pulled from \(remote.root.path), \(found.here.count) were here")
      if !found.missing.isEmpty { Terminal.say("not in the remote store: \(report.missing.joined(separator: ", "))") }
    }
    if outcome != .done { throw ExitCode(outcome.exitCode) }
  }
}
