/// `retort run FILE [STAGE…]`: runs what changed.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Reports
import Scheduling

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs a pipeline: every stage whose result is not known yet.")

  @OptionGroup var source: PlanOptions
  @Argument(
    help: "Run only these stages and what they need; `student` is every variant of it.", completion: .stages)
  var stages: [String] = []
  @Option(
    help: "Run this stage and what it needs, as if it were named last; may be repeated.", completion: .stages)
  var until: [String] = []
  @Option(
    help: "Run this stage and what comes after it; what comes before must be cached. May be repeated.",
    completion: .stages)
  var from: [String] = []
  @Option(help: "Run this stage alone; what it needs must be cached. May be repeated.", completion: .stages)
  var only: [String] = []
  @Flag(name: [.customShort("n"), .long], help: "Say what would run, and run nothing.") var dryRun = false
  @Option(
    name: [.customShort("j", allowingJoined: true), .long],
    help: "Stages at once; as many as the threads allow unless given.")
  var jobs: Int?
  @Flag(name: .shortAndLong, help: "After a failure, go on with what does not depend on it.") var keepGoing = false
  @Option(help: "Run this stage although its result is known; may be repeated.", completion: .stages)
  var force: [String] = []
  @Flag(help: "Replace published files that were changed since they were published.") var overwrite = false
  @Flag(help: "Take results that the remote store has instead of computing them.") var pull = false
  @OptionGroup var remoteOptions: RemoteOptions
  @Flag(help: "Ask the hub again which commits names such as hf://org/name stand for.") var refresh = false
  @Option(help: "Seconds to wait for a stage that another run holds; as long as it takes unless given.")
  var lockTimeout: Int?
  @Option(help: "Threads that running stages may use together.") var threads = ProcessInfo.processInfo.processorCount
  @Option(help: "Memory that running stages may use together, such as 6GB; what is free at the start unless given.")
  var memory: String?
  @Option(help: "What to call this run, such as `base`; other commands then take that name.") var name: String?
  @Flag(help: "Say after each built-in stage where its time went, operation by operation.") var profile = false
  @Flag(help: "Print events as JSON lines.") var json = false
  @Flag(help: "Go on in the background, also when this terminal closes; `retort watch` follows it.") var detach = false
  @Flag(help: "With --detach: go on by itself when the run's process was killed or the machine has restarted.")
  var restart = false
  @Option(help: "A command for bash when the run ended or failed; $RETORT_OUTCOME and other variables tell how.")
  var notify: String?
  @Option(help: ArgumentHelp("Tell the run as OpenLineage events: lines of a file, or posts.", valueName: "file|url"))
  var openlineage: String?
  @Option(help: .hidden) var announce: Int32?
  @Option(help: .hidden) var continues: Int?
  @Option(help: .hidden) var cutOff: String?
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    guard jobs ?? 1 > 0, threads > 0, lockTimeout ?? 0 >= 0 else {
      throw ValidationError("-j, --threads and --lock-timeout take positive numbers")
    }
    do { _ = try name.map { try RunName($0) } } catch { throw ValidationError("\(error)") }
    if restart && !detach {
      throw ValidationError("--restart is for runs in the background: add --detach")
    }
    if refresh && dryRun {
      throw ValidationError("-n and --refresh exclude each other: a dry run records nothing")
    }
    if detach && dryRun { throw ValidationError("--detach and -n exclude each other") }
    if let memory, parseBytes(memory) == nil {
      throw ValidationError("--memory takes a size such as 6GB or 512MB, not `\(memory)`")
    }
  }

  func run() async throws {
    let plan = try source.plan(lookingAtModels: dryRun ? storeOptions : nil)
    let selection = try selection(of: plan)
    let selected = selection.stages
    let forced = try plan.ids(of: force) ?? []
    if dryRun {
      let preview = try Preview(plan, selected: selected, forced: forced, store: storeOptions)
      try PlanReport(preview, forced: forced).show(json: json)
      return
    }

    let folder = try storeOptions.folder(root: plan.root)
    let store = try Store(at: folder)
    if restart { return try await startKept(plan, selected, forced, in: store) }
    if detach { return try await startDetached(in: store) }
    var journal = try Journal(at: store.database)
    let begun = try begun(of: plan, in: journal)
    let emitter = try openlineage.map { try openLineage($0, plan, journal, store) }
    if let emitter { journal = journal.observed(by: emitter) }
    let hooks = RunHooks(pipeline: plan.name, announce: announce, notify: notify, emitter: emitter)
    var context = KeyContext.thisMachine
    context.asksHubAgain = refresh
    let coordinator = Coordinator(
      plan,
      options: RunOptions(
        limits: RunLimits(
          jobs: jobs ?? .max, threads: threads, memory: memory.flatMap(parseBytes) ?? MachineMemory.current.available,
          keepGoing: keepGoing),
        selected: selected.union(forced), mayRun: selection.mayRun, forced: forced.subtracting(begun.done),
        begun: begun.all, overwrite: overwrite, remote: try pull ? remote() : nil, profiles: profile,
        name: try name.map { try RunName($0).text }, continues: try cutOffRun),
      store: store, journal: journal, context: context,
      executor: LocalExecutor(
        try .thisBinary(for: plan), lockWait: lockTimeout.map { .seconds($0) },
        remoteKey: try pull ? remoteOptions.key() : nil))
    let stop = StopRequest()
    let interrupts = Interrupts.handle {
      // The second time nobody waits for trainings that finish a step: they hold their locks until they have.
      if stop.isAsked { _exit(RunOutcome.interrupted.exitCode) }
      stop.ask()
      coordinator.interrupt()
    }
    defer { interrupts.forEach { $0.cancel() } }

    let reporter: any RunReporter =
      if json {
        JSONReporter(plan)
      } else {
        TextReporter(plan, store: folder, live: Terminal.isInteractive)
      }
    if !json, let earlier = try cutOffRun {
      Terminal.say("goes on where run \(earlier.run) was cut off: \(earlier.reason.rawValue)")
    }
    let outcome: RunSummary
    var models = UnusableModels(of: selected.union(forced), in: plan, source, storeOptions)
    do {
      async let summary = coordinator.run()
      for await events in coordinator.events {
        for event in events {
          try hooks.see(event)
          try reporter.report(event)
          // With -k what can run shall.
          if !keepGoing, try models.appear(after: event) { coordinator.interrupt() }
        }
      }
      outcome = try await summary
    } catch {
      await hooks.end()
      throw error
    }
    if !json, plan.comparison != nil, let table = try ComparisonTable(ofRun: outcome.run, in: journal, store) {
      Terminal.say("\n" + table.text)
    } else if !json {
      let evaluations = try evaluations(ofRun: outcome.run, plan, journal, store)
      if !evaluations.isEmpty { Terminal.say("\n" + evaluations.text) }
    }
    if !json { try tellEnd(outcome, plan, selected.union(forced), journal, store) }
    await hooks.end()
    if let problems = models.problems { throw problems }
    if outcome.outcome != .done { throw ExitCode(outcome.outcome.exitCode) }
  }

  private func evaluations(
    ofRun run: Int, _ plan: Plan, _ journal: Journal, _ store: Store
  ) throws -> ReportSection {
    let kinds = Set(plan.stages.map(\.description).filter { !$0.tabulated.isEmpty }.map(\.kind.name))
    guard !kinds.isEmpty else { return ReportSection(title: "evaluation") }
    let report = try journal.report(of: run, kinds: kinds, store: store)
    return ReportSection(evaluationsOf: report, .builtIn)
  }

  private func tellEnd(
    _ summary: RunSummary, _ plan: Plan, _ selected: Set<StageID>, _ journal: Journal, _ store: Store
  ) throws {
    let trains = plan.stages.contains { $0.description.trains && selected.contains($0.id) }
    let verdicts = try trains ? journal.judgedTrainings(ofRun: summary.run) : []
    if !verdicts.isEmpty { Terminal.say("\n" + ReportSection(verdicts).text) }
    guard summary.outcome == .done else { return }
    let lines = try RunEnding(summary, plan, selected: selected, verdicts, journal, store).lines
    if !lines.isEmpty { Terminal.say("\n" + lines.joined(separator: "\n")) }
  }

  private func openLineage(
    _ destination: String, _ plan: Plan, _ journal: Journal, _ store: Store
  ) throws -> OpenLineageEmitter {
    let namespace = ProcessInfo.processInfo.environment["OPENLINEAGE_NAMESPACE"] ?? "retort"
    do {
      return OpenLineageEmitter(
        plan, journal: journal, store: store, sink: try OpenLineageSink(destination), namespace: namespace)
    } catch let error as FileError { throw Failure("\(error)") }
  }
}

extension Run {
  /// What the keeper says of the run before.
  private var cutOffRun: CutOffRun? {
    get throws {
      guard let continues else { return nil }
      guard let reason = CutOffRun.Reason(rawValue: cutOff ?? "") else {
        let known = CutOffRun.Reason.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        throw Failure("--cut-off says why the run of --continues was cut off, expected one of \(known)")
      }
      return CutOffRun(run: continues, reason: reason)
    }
  }

  /// What the runs before have begun: forced stages that they have done need not run again.
  private func begun(of plan: Plan, in journal: Journal) throws -> (all: Set<StageID>, done: Set<StageID>) {
    let stages = try continues.map(journal.begun) ?? []
    return (
      Set(stages.flatMap { plan.ids(named: $0.stage) }),
      Set(stages.filter(\.isDone).flatMap { plan.ids(named: $0.stage) })
    )
  }

  /// A remote that cannot be used costs time, not the run.
  private func remote() throws -> RemoteOrder? {
    let folder = try remoteOptions.named()
    do {
      let store = try RemoteStore(at: folder, key: remoteOptions.key())
      return RemoteOrder(folder: folder, isOnly: false, isSigned: store.key != nil)
    } catch let error as RemoteUnavailable {
      Terminal.complain("warning: \(error); every stage is computed")
      return nil
    }
  }

  /// The stages to look at, and those of them that may run; `nil`: all.
  private func selection(of plan: Plan) throws -> (stages: Set<StageID>, mayRun: Set<StageID>?) {
    let until = try plan.ids(of: stages + until)
    let only = try plan.ids(of: only)
    let from = try plan.ids(of: from).map { plan.dependents(of: $0) }
    let all = plan.closure(of: until ?? Set(plan.stages.map(\.id)))
    guard only != nil || from != nil else { return (all, nil) }
    let mayRun = (only ?? []).union(from?.intersection(all) ?? [])
    return (plan.closure(of: mayRun), mayRun)
  }
}

extension WorkerProgram {
  /// This binary, whatever it was started as.
  /// - Parameter plan: whose stages' secrets each reach only the stages that declare them.
  static func thisBinary(for plan: Plan? = nil) throws -> WorkerProgram {
    guard let executable = Bundle.main.executableURL else { throw Failure("the path of this program is unknown") }
    // What stages declare, each for itself, and what this process needs for itself.
    let secrets = (plan?.secrets ?? []).union(["RETORT_REMOTE_KEY", "OPENLINEAGE_API_KEY"])
    return WorkerProgram(executable: executable, secrets: secrets)
  }
}

extension Plan {
  /// The stages of these names; `nil` for no names.
  func ids(of names: [String]) throws -> Set<StageID>? {
    guard !names.isEmpty else { return nil }
    return Set(
      try names.map { name -> [StageID] in
        let ids = self.ids(named: name)
        guard !ids.isEmpty else {
          throw Failure(
            "\(file.relativePath) has no stage `\(name)`\(hint(name, among: stages.flatMap { [$0.name, $0.base] }))")
        }
        return ids
      }.joined())
  }
}
