/// Keeps a run going: starts it, starts it again when something killed it, and ends with it.
import Artifacts
import Foundation
import Lineage
import Processes
import Scheduling
import Synchronization

final class Keeper: Sendable {
  /// What signals have asked for, and whom to pass them on to.
  private struct Told {
    var forNow = false
    var forGood = false
    var run: pid_t?
  }
  private let file: OrderFile
  private let store: Store
  private let told = Mutex(Told())

  init(_ file: OrderFile) {
    self.file = file
    store = file.store
  }

  /// Returns when the matter is over, or is to go on another time.
  func keep(_ start: RestartOrder) async throws {
    let signals =
      Interrupts.handle([SIGTERM, SIGHUP]) { self.hear(SIGTERM) { $0.forNow = true } }
      + Interrupts.handle([SIGINT]) { self.hear(SIGINT) { $0.forGood = true } }
    defer { signals.forEach { $0.cancel() } }
    var order = start
    order.keeper = getpid()
    try file.write(order)
    var reason: CutOffRun.Reason?
    if let last = order.runs.last {
      if let outcome = try await outcome(of: last) { return try end(order, code: outcome.exitCode) }
      reason = order.reason
      // Also if the machine restarts after it.
      if !order.isToldToEnd {
        guard try await mayGoOn(&order, "run \(last) was cut off: \(order.reason.rawValue)") else {
          return try await giveUp(order)
        }
      }
    }
    while !isTold {
      let ended = try await run(&order, after: reason)
      switch ended {
      case .exit(0): return try end(order, code: 0)
      case _ where isTold: break
      case .exit(let code): return try end(order, code: code)
      case .signal(let number):
        reason = .killed
        let words = "the run was killed by signal \(number) (\(String(cString: strsignal(number))))"
        guard try await mayGoOn(&order, words) else { return try await giveUp(order) }
      }
    }
    if told.withLock({ $0.forGood }) { return try end(order, code: RunOutcome.interrupted.exitCode) }
    order.isToldToEnd = true
    try file.write(order)
    try file.note("told to end for now; the run goes on when the machine starts again", run: order.runs.last)
  }

  // MARK: Signals

  private func hear(_ signal: Int32, _ change: (inout Told) -> Void) {
    told.withLock { told in
      change(&told)
      if let run = told.run { kill(run, signal) }
    }
  }

  private var isTold: Bool { told.withLock { $0.forNow || $0.forGood } }

  /// The process that signals are passed on to; it gets those that came before, too.
  private func passOn(to run: pid_t?) {
    told.withLock { told in
      told.run = run
      if let run, told.forNow || told.forGood { kill(run, told.forGood ? SIGINT : SIGTERM) }
    }
  }

  // MARK: Runs

  /// How a run ended by itself, which may take its time if its process has outlived an earlier keeper; `nil` if it was
  /// cut off.
  private func outcome(of run: Int) async throws -> RunOutcome? {
    let journal = try Journal(reading: store.database)
    if try store.isRunning(run) { passOn(to: try journal.watched(run).pid) }
    defer { passOn(to: nil) }
    while try store.isRunning(run) { try await Task.sleep(for: .milliseconds(100)) }
    guard let outcome = RunOutcome(rawValue: try journal.watched(run).state) else { return nil }
    return outcome == .interrupted ? nil : outcome
  }

  /// Starts a run and waits for its end.
  private func run(_ order: inout RestartOrder, after reason: CutOffRun.Reason?) async throws -> ProcessEnd {
    var arguments = order.arguments
    if let last = order.runs.last, let reason {
      arguments += ["--continues", "\(last)", "--cut-off", reason.rawValue]
    }
    let background = try BackgroundRun(
      arguments, environment: order.environment, folder: URL(filePath: order.folder), log: file.log, in: store)
    passOn(to: background.child.pid)
    let number = try background.number()
    if let run = number {
      order.runs.append(run)
      order.isToldToEnd = false
      order.boot = RestartOrder.currentBoot
      try store.files.rename(file.log, to: store.logFolder(ofRun: run).appending(path: "run.log"))
      try file.write(order)
    }
    // Written at once: a machine that is shut down may not wait for the run's end.
    let noting = Task { [order] in
      await Self.pause(seconds: 1 << 40) { self.isTold || Task.isCancelled }
      guard told.withLock({ $0.forNow && !$0.forGood }) else { return }
      var order = order
      order.isToldToEnd = true
      try file.write(order)
    }
    let end = await background.child.end(killGroup: false)
    passOn(to: nil)
    if number == nil { try keepLog(order) }
    noting.cancel()
    try await noting.value
    // A machine that is shut down tells all processes at once, and the run may have been the first to obey.
    if case .exit(let code) = end, code != 0 { await Self.pause(seconds: 1) { self.isTold } }
    return end
  }

  /// What a run printed that ended before it had a number goes to the log of the one before, if there is one.
  private func keepLog(_ order: RestartOrder) throws {
    guard let last = order.runs.last else { return }
    let printed = String(decoding: try store.files.enclosure.read(file.log), as: UTF8.self)
    try file.note("started again, it ended at once and printed:\n\(printed)", run: last)
    try store.files.remove(file.log)
  }

  private static func pause(seconds: Int, until isOver: () -> Bool) async {
    let end = ContinuousClock.now + .seconds(seconds)
    while !isOver(), ContinuousClock.now < end {
      // A task that is cancelled waits no longer.
      do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
    }
  }

  /// Notes that a run died and waits before the next one.
  /// - Returns: whether there is to be one.
  private func mayGoOn(_ order: inout RestartOrder, _ words: String) async throws -> Bool {
    let wait = order.deaths.add(at: try mark(ofRun: order.runs.last))
    try file.write(order)
    guard let wait else {
      try file.note(
        "\(words); that makes \(Deaths.most) times without progress, so it is not started again; "
          + "`retort \(order.arguments.joined(separator: " "))` starts it when the cause is found", run: order.runs.last
      )
      return false
    }
    try file.note("\(words); it is started again in \(wait) s", run: order.runs.last)
    await Self.pause(seconds: wait) { self.isTold }
    return true
  }

  private func mark(ofRun run: Int?) throws -> Deaths.Mark {
    guard let run else { return Deaths.Mark() }
    let stages = try Journal(reading: store.database).watched(run).stages
    var mark = Deaths.Mark(stages: stages.count { $0.state == .ran || $0.state == .cached })
    for key in stages.filter({ $0.state == .running || $0.state == .interrupted }).compactMap(\.key) {
      mark.steps += try WorkFolder(store.workFolder(of: key.digest)).savedStep() ?? 0
    }
    return mark
  }

  // MARK: Ends

  /// Tells whoever the run would have told of its end.
  private func giveUp(_ order: RestartOrder) async throws {
    try end(order, code: RunOutcome.failed.exitCode)
    guard let notify = order.notify, let run = order.runs.last else { return }
    let watched = try Journal(reading: store.database).watched(run)
    func count(_ state: StageRecord.State) -> Int { watched.stages.count { $0.state == state } }
    let ended = try await RunNotification(
      run: run, outcome: .failed, pipeline: watched.pipeline, ran: count(.ran), cached: count(.cached),
      failed: count(.failed)
    ).give(by: notify, environment: order.environment, folder: URL(filePath: order.folder), output: nil)
    if ended != .exit(0) { try file.note("the command of --notify ended with \(ended)", run: run) }
  }

  /// The matter is over, and nothing starts the run again.
  private func end(_ order: RestartOrder, code: Int32) throws {
    var order = order
    order.exitCode = code
    try file.write(order)
    // First the order: without one, whatever starts the keeper another time removes its own registration.
    try file.end()
    try Registration(kind: order.registration, order: file).remove()
    try file.removeRest()
  }
}
