/// Runs a work order in a worker process on this machine and watches it until it ends.
import Artifacts
import Foundation
import Pipelines
import Synchronization

/// The program that is a worker: this very binary, given `worker JOBFILE`.
package struct WorkerProgram: Sendable {
  package var executable: URL
  package var arguments: [String]
  package var environment: [String: String]

  package init(
    executable: URL, arguments: [String] = ["worker"],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
  }
}

package enum AttemptEnd: Sendable {
  case success(StageState.Success, outputs: [String: StoredArtifact], metrics: [StageResult.Metric])
  case failure(StageFailure, again: Bool)
}

/// A worker, as those see it who may want it to end.
final class WorkerHandle: Sendable {
  private struct State {
    var child: ChildProcess?
    var input: Int32?
    var asked = false
  }
  private let state = Mutex(State())

  func start(_ program: WorkerProgram, order: URL, log: URL) throws -> ChildProcess? {
    let output = Descriptor(open(log.posixPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644))
    guard output.raw >= 0 else { throw FileError("create", log) }
    let pipe = try makePipe()
    let input = Descriptor(pipe.read)
    return try state.withLock { state in
      guard !state.asked else {
        close(pipe.write)
        return nil
      }
      state.input = pipe.write
      let child = try ChildProcess(
        program.executable.posixPath, program.arguments + [order.posixPath], environment: program.environment,
        descriptors: [input.raw, output.raw, output.raw], newSession: true)
      state.child = child
      return child
    }
  }

  /// Asks the worker to end, which it does at the end of its standard input; a second time it is killed.
  func terminate() {
    state.withLock { state in
      if state.asked, let child = state.child { kill(-child.pid, SIGKILL) }
      state.asked = true
      if let input = state.input { close(input) }
      state.input = nil
    }
  }

  /// No process has the number any more.
  func ended() {
    state.withLock { state in
      state.child = nil
      if let input = state.input { close(input) }
      state.input = nil
    }
  }
}

struct LocalExecutor: Sendable {
  let program: WorkerProgram
  /// How long to wait for a stage that another run holds.
  let lockWait: Duration?

  enum Report: Sendable {
    case event(StageEvent)
    case waits(LockHolder)
  }

  func run(
    _ order: WorkOrder, as name: String, logs: URL, timeout: Duration?, handle: WorkerHandle,
    report: @escaping @Sendable (Report) -> Void
  ) async throws -> AttemptEnd {
    let log = logs.appending(path: "\(name).log")
    let orderFile = logs.appending(path: "\(name).job.json")
    try FileOperations().replace(orderFile, with: try storedJSON(order))
    guard let child = try handle.start(program, order: orderFile, log: log) else {
      return .failure(StageFailure(.signal(SIGTERM)), again: false)
    }
    let work = WorkFolder(order.job.work)
    let reason = Mutex<StageFailure.Reason?>(nil)
    let end: @Sendable (StageFailure.Reason) -> Void = { why in
      reason.withLock { $0 = $0 ?? why }
      handle.terminate()
    }
    let watcher = Task { await watch(child, work, end: end, report: report) }
    let timer = Task {
      guard let timeout else { return }
      try await Task.sleep(for: timeout)
      end(.timeout(timeout))
    }
    let ended = await withTaskCancellationHandler {
      await child.end(killGroup: true)
    } onCancel: {
      handle.terminate()
    }
    handle.ended()
    timer.cancel()
    watcher.cancel()
    var tail = await watcher.value
    switch ended {
    case .exit(WorkerExit.done.rawValue): try tail.read().forEach { report(.event($0)) }
    case .exit(WorkerExit.adopted.rawValue): break
    default:
      let why = reason.withLock { $0 } ?? (ended == .exit(WorkerExit.sourceChanged.rawValue) ? .exit(1) : ended.reason)
      let again = ended != .exit(WorkerExit.sourceChanged.rawValue) && !why.isWaiting
      return .failure(StageFailure(why, log: log, lastLines: try lastLines(of: log)), again: again)
    }
    guard let result = try work.readResult() else { throw FileError("read", work.result, code: ENOENT) }
    let metrics = try work.readEvents().compactMap { event in
      if case .metric(let name, let value, let step) = event {
        StageResult.Metric(name: name, value: value, step: step)
      } else {
        nil
      }
    }
    let success = ended == .exit(WorkerExit.done.rawValue) ? StageState.Success.ran : .cached
    return .success(success, outputs: result.outputs, metrics: metrics)
  }

  /// Passes events on while the lock is the worker's; tells who else has it.
  private func watch(
    _ child: ChildProcess, _ work: WorkFolder, end: @Sendable (StageFailure.Reason) -> Void,
    report: @Sendable (Report) -> Void
  ) async -> EventTail {
    var tail = EventTail(work.events)
    let start = ContinuousClock.now
    var told: LockHolder?
    while !Task.isCancelled {
      // A cancelled sleep only ends the loop sooner.
      do { try await Task.sleep(for: .milliseconds(100)) } catch { break }
      let holder = work.readHolder()
      if holder?.pid == child.pid && holder?.host == LockHolder.thisHost {
        do { try tail.read().forEach { report(.event($0)) } } catch { report(.event(.warning("\(error)"))) }
      } else {
        let waited = ContinuousClock.now - start
        if waited > .seconds(1), let holder, holder != told, holder.mayLive {
          told = holder
          report(.waits(holder))
        }
        if let lockWait, waited > lockWait { end(.waitedTooLong(holder)) }
      }
    }
    return tail
  }

  private func lastLines(of log: URL, count: Int = 12) throws -> [String] {
    let file = try FileHandle(forReadingFrom: log)
    let length = try file.seekToEnd()
    try file.seek(toOffset: length > 8192 ? length - 8192 : 0)
    let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).suffix(count).map(String.init)
  }
}

/// The part of an event file that was not read yet.
struct EventTail {
  private let url: URL
  private var offset: UInt64 = 0

  init(_ url: URL) { self.url = url }

  mutating func read() throws -> [StageEvent] {
    guard FileStatus.of(url) != nil else { return [] }
    let file = try FileHandle(forReadingFrom: url)
    try file.seek(toOffset: offset)
    let (events, bytes) = try WorkFolder.decode(file.readToEnd() ?? Data())
    offset += UInt64(bytes)
    return events
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

extension StageFailure.Reason {
  var isWaiting: Bool { if case .waitedTooLong = self { true } else { false } }
}

extension LockHolder {
  package static let thisHost = ProcessInfo.processInfo.hostName
  /// On another machine nobody can tell.
  fileprivate var mayLive: Bool { host != Self.thisHost || kill(pid, 0) == 0 || errno == EPERM }
}
