/// Runs a work order in a worker process on this machine and watches it until it ends.
import Artifacts
import Foundation
import Pipelines
import Processes
import Synchronization

/// The program that is a worker: this very binary, given `worker JOBFILE`.
package struct WorkerProgram: Sendable {
  package var executable: URL
  package var arguments: [String]
  private let environment: [String: String]
  private let secrets: Set<String>

  /// - Parameters:
  ///   - environment: what workers inherit.
  ///   - secrets: names of variables that a worker inherits only if its own stage declares them.
  package init(
    executable: URL, arguments: [String] = ["worker"],
    environment: [String: String] = ProcessInfo.processInfo.environment, secrets: Set<String> = []
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.secrets = secrets
  }

  /// - Parameter input: its standard input, at whose end it ends too.
  func start(_ order: URL, for job: Job, input: Int32, log: Int32) throws -> ChildProcess {
    let others = secrets.subtracting(job.command?.secrets ?? [])
    return try ChildProcess(
      executable.posixPath, arguments + [order.posixPath], environment: environment.filter { !others.contains($0.key) },
      descriptors: [input, log, log], newSession: true)
  }
}

/// A worker's process and our end of its standard input, as those see them who may want it to end.
private final class WorkerHandle: Sendable {
  /// After the end of its input; it kills itself sooner.
  private let grace: Duration
  private struct State {
    var child: ChildProcess?
    var input: Int32?
    var mayStart = true
    var reason: StageFailure.Reason?
  }
  private let state = Mutex(State())

  init(grace: Duration) { self.grace = grace }

  /// `nil` if it was told to end before.
  /// - Parameter said: to the worker, on its standard input; fits into a pipe.
  func start(
    _ program: WorkerProgram, for job: Job, order: URL, saying said: Data, output: borrowing Descriptor
  ) throws -> ChildProcess? {
    let pipe = try makePipe()
    let input = Descriptor(pipe.read)
    let log = output.raw
    return try state.withLock { state in
      state.input = pipe.write
      guard said.withUnsafeBytes({ write(pipe.write, $0.baseAddress, $0.count) }) == said.count else {
        throw FileError("write", URL(filePath: "a pipe"))
      }
      guard state.mayStart else { return nil }
      let child = try program.start(order, for: job, input: input.raw, log: log)
      state.child = child
      return child
    }
  }

  /// Why it was told to end, if it was.
  var reason: StageFailure.Reason? { state.withLock { $0.reason } }

  /// The worker ends itself at the end of its standard input; one that cannot is killed.
  func terminate(because reason: StageFailure.Reason? = nil) {
    state.withLock { state in
      state.reason = state.reason ?? reason
      state.mayStart = false
      if let input = state.input { close(input) }
      state.input = nil
    }
    Task {
      try await Task.sleep(for: grace)
      state.withLock { if let child = $0.child { _ = Foundation.kill(-child.pid, SIGKILL) } }
    }
  }

  /// At once and with its group; what is not in the group is for others to kill.
  func kill(because reason: StageFailure.Reason) {
    state.withLock { state in
      state.reason = state.reason ?? reason
      if let child = state.child { _ = Foundation.kill(-child.pid, SIGKILL) }
    }
  }

  /// The process is gone and its number may be another's.
  func ended() { state.withLock { $0.child = nil } }

  deinit {
    if let input = state.withLock({ $0.input }) { close(input) }
  }
}

package struct LocalExecutor: Executor {
  private let program: WorkerProgram
  private let lockWait: Duration?
  private let remoteKey: RemoteKey?

  /// - Parameters:
  ///   - lockWait: how long to wait for a stage that another run holds; `nil`: as long as it takes.
  ///   - remoteKey: for workers that may take results from a remote store.
  package init(_ program: WorkerProgram, lockWait: Duration? = nil, remoteKey: RemoteKey? = nil) {
    self.program = program
    self.lockWait = lockWait
    self.remoteKey = remoteKey
  }

  package func run(
    _ order: WorkOrder, as name: String, logs: URL, timeout: Duration?,
    report: @escaping @Sendable (AttemptReport) -> Void
  ) async throws -> AttemptEnd {
    let handle = WorkerHandle(grace: order.job.grace + .seconds(8))
    let log = logs.appending(path: "\(name).log")
    let orderFile = logs.appending(path: "\(name).job.json")
    let store = order.job.store
    try FileOperations(beneath: store).replace(orderFile, with: try storedJSON(order))
    let output = try Enclosure(store).open(log, O_WRONLY | O_CREAT | O_APPEND)
    let said = order.remote?.isSigned == true ? remoteKey?.derived : nil
    guard
      let child = try handle.start(program, for: order.job, order: orderFile, saying: said ?? Data(), output: output)
    else {
      return .failure(StageFailure(.signal(SIGTERM)), again: false)
    }
    let work = WorkFolder(order.job.work)
    let guardian = Guardian(child.pid, memory: order.job.compute.memory)
    let guarding = Task { await guardian.watch { handle.kill(because: $0) } }
    let watcher = Task { await watch(child, work, handle, timeout, report) }
    let ended = await withTaskCancellationHandler {
      await child.end(killGroup: true) { guardian.killRest() }
    } onCancel: {
      handle.terminate()
    }
    handle.ended()
    guarding.cancel()
    watcher.cancel()
    let memoryFailure = guardian.verdict(ended)
    var tail = await watcher.value
    if [WorkerExit.done, .pulled].contains(where: { ended == .exit($0.rawValue) }), tail == nil {
      tail = EventTail(work, from: work.readHolder()?.events ?? 0)
    }
    try tail?.read().events.forEach { report(.event($0)) }
    func failure(_ reason: StageFailure.Reason, again: Bool = false) throws -> AttemptEnd {
      .failure(StageFailure(reason, log: log, lastLines: try lastLines(of: log, beneath: store)), again: again)
    }
    switch ended {
    case .exit(WorkerExit.done.rawValue):
      return try .success(reading: work, .ran)
    case .exit(WorkerExit.pulled.rawValue):
      report(.pulled)
      return try .success(reading: work, .cached)
    case .exit(WorkerExit.adopted.rawValue): return try .success(reading: work, .cached)
    case .exit(WorkerExit.diskFull.rawValue):
      let message =
        "found no space left in \(order.job.store.posixPath); free some and run again, "
        + "nothing that was finished is lost"
      return try failure(.error(message))
    case .exit(WorkerExit.permanent.rawValue):
      return try failure(handle.reason ?? .exit(WorkerExit.failed.rawValue))
    default:
      let why = handle.reason ?? memoryFailure ?? ended.reason
      return try failure(
        why, again: ended != .exit(WorkerExit.sourceChanged.rawValue) && !why.isWaiting && !why.isMemory)
    }
  }

  /// Passes events on while the lock is the worker's; tells who else has it. A stage's time begins with its lock.
  /// - Returns: what was read of the events, once the worker had begun.
  private func watch(
    _ child: ChildProcess, _ work: WorkFolder, _ handle: WorkerHandle, _ timeout: Duration?,
    _ report: @Sendable (AttemptReport) -> Void
  ) async -> EventTail? {
    var tail: EventTail?
    let start = ContinuousClock.now
    var began = start
    var told: LockHolder?
    while !Task.isCancelled {
      // A cancelled sleep only ends the loop sooner.
      do { try await Task.sleep(for: min(.milliseconds(100), timeout ?? .milliseconds(100))) } catch { break }
      let holder = work.readHolder()
      let waits = holder.map { $0.pid != child.pid && $0.mayLive } ?? false
      if waits { began = .now }
      if let timeout, ContinuousClock.now - began >= timeout { handle.terminate(because: .timeout(timeout)) }
      if holder?.pid == child.pid && holder?.host == LockHolder.thisHost {
        if tail == nil, let start = holder?.events { tail = EventTail(work, from: start) }
        do { try tail?.read().events.forEach { report(.event($0)) } } catch { report(.event(.warning("\(error)"))) }
      } else {
        let waited = ContinuousClock.now - start
        if waited > .seconds(1), waits, let holder, holder != told {
          told = holder
          report(.waits(holder))
        }
        if let lockWait, waited > lockWait { handle.terminate(because: .waitedTooLong(holder)) }
      }
    }
    return tail
  }
}

extension ProcessEnd {
  fileprivate var reason: StageFailure.Reason {
    switch self {
    case .exit(let code): .exit(code)
    case .signal(let number): .signal(number)
    }
  }
}

extension LockHolder {
  /// On another machine nobody can tell.
  fileprivate var mayLive: Bool { host != Self.thisHost || kill(pid, 0) == 0 || errno == EPERM }
}
