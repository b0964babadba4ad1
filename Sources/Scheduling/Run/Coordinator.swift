/// Runs a plan: asks the machine what to do, does it, and tells the machine what came of it.
import Artifacts
import Foundation
import Hub
import Pipelines
import Synchronization

package actor Coordinator {
  /// For one reader, several at once where they come at once; ends with the run.
  package nonisolated let events: AsyncStream<[RunEvent]>
  private let send: AsyncStream<[RunEvent]>.Continuation
  private let inbox = Inbox<Message>()
  private let plan: Plan
  private let options: RunOptions
  private let store: Store
  private let journal: any RunJournal
  private let executor: any Executor
  private let hub: Hub
  private let clock: @Sendable () -> Date
  private let orders: OrderWriter
  private var resolver: Resolver
  private var machine: RunMachine
  private var resolved: [StageID: ResolvedStage] = [:]
  private var outputs: [StageID: [String: StoredArtifact]] = [:]
  private var attempts: [StageID: Task<AttemptEnd, any Error>] = [:]
  private var errors: [StageID: StageFailure] = [:]
  /// Written at the end of the turn.
  private var entries: [JournalEntry] = []
  /// Sent in the middle of the turn.
  private var news: [RunEvent] = []
  private var run = 0
  /// Held from finding artifacts until their use is recorded.
  private var hold: FileLock?

  private enum Message: Sendable {
    case interrupt
    case ended(StageID, Result<AttemptEnd, any Error>)
    case retry(StageID)
    case downloaded(StageID)
    case note(StageID, kind: String, words: String)
    case published(StageID, Result<Publisher.Outcome, any Error>)
  }

  package init(
    _ plan: Plan, options: RunOptions, store: Store, journal: any RunJournal, context: KeyContext,
    executor: any Executor, clock: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.plan = plan
    self.options = options
    self.store = store
    self.journal = journal
    self.clock = clock
    self.executor = executor
    hub = context.hub
    orders = OrderWriter(plan: plan, store: store, journal: journal, remote: options.remote, profiles: options.profiles)
    resolver = Resolver(plan, store: store, journal: journal, context: context)
    machine = RunMachine(plan.stages.map(StageNode.init), selected: options.selected, limits: options.limits)
    (events, send) = AsyncStream.makeStream()
  }

  /// Ends workers and the run; what was finished is kept.
  package nonisolated func interrupt() { inbox.put(.interrupt) }

  /// Throws only what makes going on impossible, such as a journal that cannot be written; workers are ended first.
  package func run() async throws -> RunSummary {
    defer { send.finish() }
    try journal.closeAbandoned { try store.isRunning($0) }
    hold = try store.keepingAll()
    // Held until the run is over, so that others can tell a run that goes on from one that was killed.
    var alive: FileLock?
    run = try journal.begin(
      RunStart(
        pipeline: plan.name, file: plan.file, root: plan.root, time: clock(), revision: try plan.root.gitRevision(),
        comparison: plan.comparison, stages: options.selected.count, name: options.name, headline: plan.headline,
        continues: options.continues)
    ) { run in
      try store.files.makeFolder(store.logFolder(ofRun: run))
      let lock = try FileLock(at: store.lock(ofRun: run), beneath: store.root)
      try lock.wait()
      alive = lock
    }
    defer { withExtendedLifetime(alive) {} }
    hold = nil
    send.yield([.began(run: run)])
    resolver.hashSources(of: options.selected)
    try keepAll()
    try resolver.recall()
    let summary = try await withThrowingTaskGroup(of: Void.self) { group in
      var actions = machine.begin()
      while true {
        if try turn(actions, in: &group) { break }
        actions = await inbox.take().flatMap(handle)
      }
      group.cancelAll()
      return self.summary
    }
    send.yield([.ended(summary)])
    return summary
  }

  /// Does what the machine wants: first whatever needs no waiting, then one transaction, then the rest.
  /// - Returns: whether the run is over.
  private func turn(_ actions: [RunAction], in group: inout ThrowingTaskGroup<Void, any Error>) throws -> Bool {
    var queue = actions
    var later: [RunAction] = []
    var next = 0
    while next < queue.count {
      switch queue[next] {
      case .record(let id, let state): record(id, state)
      case .resolve(let id): queue += resolve(id)
      case .start, .backOff, .publish, .terminate, .finish: later.append(queue[next])
      }
      next += 1
    }
    if !news.isEmpty { send.yield(news) }
    news = []
    if later.contains(.finish) { entries.append(.ended(summary.outcome, time: clock())) }
    let stamps = resolver.newStamps()
    if !stamps.isEmpty { entries.append(.stamps(stamps)) }
    for (reference, revision) in resolver.newNames() { entries.append(.model(reference, revision)) }
    if !entries.isEmpty { try journal.record(entries, run: run) }
    entries = []
    resolver.forget()
    hold = nil
    for action in later { try perform(action, in: &group) }
    return later.contains(.finish)
  }

  private func perform(_ action: RunAction, in group: inout ThrowingTaskGroup<Void, any Error>) throws {
    switch action {
    case .record, .resolve, .finish: break
    case .terminate(let id): attempts[id]?.cancel()
    case .start(let id, let attempt):
      guard let resolved = resolved[id] else {
        return inbox.put(.ended(id, .failure(NeverResolved(stage: plan[id].name))))
      }
      let forced = options.forced.contains(id)
      let order = try orders.order(
        for: resolved, anew: forced && attempt == 1 && !options.begun.contains(id), forced: forced,
        from: forced ? nil : try resolver.continuation(of: resolved, repair: true))
      let stage = plan[id]
      let name = store.attemptName(stage.name, attempt)
      let resumption = attempt == 1 ? Resumption() : nil
      let remote = options.remote?.folder.posixPath ?? ""
      let models = HubInputs(of: resolved, hub: hub, hasher: resolver.hasher)
      let task = Task { [executor, send, inbox, logs = store.logFolder(ofRun: run)] in
        var order = order
        let downloads = models.areMissing
        order.stamps.digests.merge(try await models.fetch { send.yield([.downloads(id, $0)]) }) { $1 }
        if downloads { inbox.put(.downloaded(id)) }
        return try await executor.run(order, as: name, logs: logs, timeout: stage.timeout) { report in
          switch report {
          case .event(let event):
            send.yield([.reported(id, event)])
            if let words = resumption?.hear(event) { inbox.put(.note(id, kind: "resumed", words: words)) }
          case .waits(let holder): send.yield([.waits(id, holder: holder)])
          case .pulled: inbox.put(.note(id, kind: "pulled", words: "pulled from \(remote)"))
          }
        }
      }
      attempts[id] = task
      group.addTask { [inbox] in
        let end = await withTaskCancellationHandler {
          await task.result
        } onCancel: {
          task.cancel()
        }
        inbox.put(.ended(id, end))
      }
    case .backOff(let id, let attempt):
      group.addTask { [inbox, delay = options.backOff?(attempt) ?? plan[id].backOff.delay(before: attempt)] in
        try await Task.sleep(for: delay)
        inbox.put(.retry(id))
      }
    case .publish(let id):
      guard let publication = plan[id].publish, let outputs = outputs[id], let key = resolved[id]?.key else {
        return inbox.put(.published(id, .failure(NeverResolved(stage: plan[id].name))))
      }
      let publisher = Publisher(
        pipeline: plan.name, store: store, journal: journal, hasher: resolver.hasher, overwrite: options.overwrite,
        hub: hub)
      group.addTask { [inbox, stage = plan[id]] in
        inbox.put(.published(id, Result { try publisher.publish(publication, of: stage, key: key, outputs: outputs) }))
      }
    }
  }

  private func handle(_ message: Message) -> [RunAction] {
    switch message {
    case .interrupt: return machine.interrupt()
    case .retry(let id): return machine.retry(id)
    case .downloaded(let id):
      entries.append(.begins(stage: plan[id].name, time: clock()))
      return []
    case .note(let id, let kind, let words):
      note(kind, words, of: id)
      return []
    case .published(let id, .success(let outcome)):
      if let warning = outcome.warning { warn(id, warning) }
      if let record = outcome.record {
        entries.append(.publication(record))
        news.append(.published(id, record.target))
      }
      return machine.published(id)
    case .published(let id, .failure(let error)), .ended(let id, .failure(let error)): return fail(id, for: error)
    case .ended(let id, .success(.failure(let failure, let again))): return fail(id, failure, again: again)
    case .ended(let id, .success(.success(let success, let made))):
      do { try accept(id, success, made) } catch { return fail(id, for: error) }
      return machine.finished(id, success)
    }
  }

  private func resolve(_ id: StageID) -> [RunAction] {
    do {
      let stage = try resolver.resolve(id) { outputs[$0] }
      resolved[id] = stage
      try keepAll()
      let (found, damage) = try resolver.lookUp(stage.key, repair: true)
      if let damage { warn(id, "\(damage); stage `\(plan[id].name)` makes it again") }
      if let found { outputs[id] = found }
      let cached = found != nil && !options.forced.contains(id)
      if !cached, let mayRun = options.mayRun, !mayRun.contains(id) { throw MustBeCached(stage: plan[id].name) }
      return machine.resolved(id, cached: cached)
    } catch {
      return fail(id, for: error)
    }
  }

  /// Until this turn is recorded.
  private func keepAll() throws {
    if hold == nil { hold = try store.keepingAll() }
  }

  private func fail(_ id: StageID, for error: any Error) -> [RunAction] {
    fail(id, StageFailure(.error("\(error)")))
  }

  private func fail(_ id: StageID, _ failure: StageFailure, again: Bool = false) -> [RunAction] {
    errors[id] = failure
    let actions = machine.failed(id, again: again)
    if machine[id] == .interrupted { return actions }
    news.append(.failed(id, failure))
    note("failure", failure.description, of: id)
    return actions
  }

  /// Keeps what a worker made. The first result of a key stays, so that what was built on it stays true.
  private func accept(_ id: StageID, _ success: StageState.Success, _ result: StageResult) throws {
    var result = result
    result.stage = plan[id].name
    let made = result.outputs
    guard let stage = resolved[id] else { throw NeverResolved(stage: plan[id].name) }
    try keepAll()
    // Taken from another run, which mostly has recorded it by now; one that was killed has not.
    if success == .cached, try journal.outputs(for: stage.key) == made {
      outputs[id] = made
      return
    }
    // Nothing kept the known outputs while they were made again.
    let differs = try outputs[id].map { try $0 != made && $0.values.allSatisfy(isWhole) } ?? false
    if let known = outputs[id], differs {
      let ports = made.keys.filter { made[$0] != known[$0] }.sorted().joined(separator: ", ")
      warn(
        id, "stage `\(plan[id].name)` is not deterministic: \(ports) differs from the recorded result, which is kept")
    } else {
      outputs[id] = made
    }
    entries.append(
      .result(
        RecordedResult(key: stage.key, preimage: stage.material.preimage, result: result),
        function: stage.material.functionKey, isKept: !differs))
    if let profile = result.profile {
      note("profile", String(decoding: try storedJSON(profile), as: UTF8.self), of: id)
    }
    if let verdict = result.verdict {
      note("verdict", String(decoding: try storedJSON(verdict), as: UTF8.self), of: id)
    }
  }

  private func note(_ kind: String, _ message: String, of id: StageID) {
    entries.append(.event(stage: plan[id].name, kind: kind, message: message, time: clock()))
  }

  private func isWhole(_ artifact: StoredArtifact) throws -> Bool {
    try store.damage(of: artifact, owner: "check-\(artifact.digest)-\(getpid())") == nil
  }

  private func warn(_ id: StageID, _ message: String) {
    news.append(.warning(id, message))
    note("warning", message, of: id)
  }

  private func record(_ id: StageID, _ state: StageState) {
    if state != .resolving { news.append(.moved(id, state)) }
    guard let recorded = state.recorded else { return }
    var entry = StageRecord(
      stage: plan[id].name, base: plan[id].base, coordinates: plan[id].coordinates,
      kind: plan[id].description.kind.name, state: recorded, attempt: 0, time: clock(),
      key: resolved[id]?.key, error: state == .failed ? errors[id]?.description : nil)
    if case .running(let attempt) = state {
      entry.attempt = attempt
      entry.inputs = resolved[id].map(orders.recordedInputs) ?? [:]
    }
    entries.append(.stage(entry))
  }

  private var summary: RunSummary {
    let failed = errors.filter { machine[$0.key] == .failed }
    return RunSummary(
      run: run, states: options.selected.compactMap { machine[$0] },
      onlyWaited: failed.values.allSatisfy(\.reason.isWaiting))
  }
}
