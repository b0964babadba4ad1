/// A worker's keeper of states: saves them in time, keeps the last few, and ends the stage that was asked to end.
import Artifacts
import Foundation
import Pipelines
import Synchronization

final class Checkpoints: StateKeeper {
  private let job: Job
  private let policy: CheckpointPolicy
  private let continuation: Continuation?
  private let work: WorkFolder
  private let events: EventWriter
  private let stop: StopRequest
  private let files: FileOperations
  private let progress: Mutex<Progress>

  private struct Progress {
    var start: SavedState?
    var latest: SavedPlace?
    /// When and where the last state was saved, or the attempt began.
    var savedStep: Int
    var savedAt = ContinuousClock.now
  }

  init(
    _ policy: CheckpointPolicy, _ order: WorkOrder, from start: StartingPoint, work: WorkFolder, events: EventWriter,
    stop: StopRequest, files: FileOperations
  ) {
    job = order.job
    self.policy = policy
    continuation = order.continuation
    self.work = work
    self.events = events
    self.stop = stop
    self.files = files
    progress = Mutex(
      Progress(start: start.state, latest: start.place, savedStep: start.place?.step ?? 0))
  }

  func takeStart() -> SavedState? {
    progress.withLock { progress in
      defer { progress.start = nil }
      return progress.start
    }
  }

  var latest: SavedPlace? { progress.withLock { $0.latest } }

  func reached(step: Int, _ state: () throws -> SavedState?) throws {
    let stopping = stop.isAsked
    let due = progress.withLock { progress in
      switch policy.every {
      case .steps(let steps): step - progress.savedStep >= steps
      case .seconds(let seconds):
        step > progress.savedStep && ContinuousClock.now - progress.savedAt >= .seconds(seconds)
      }
    }
    if due || stopping && step > 0, let state = try state() { try save(state) }
    guard stopping else { return }
    let interruption = StageInterrupted(latest: latest)
    events.write(.log("\(interruption)"))
    throw interruption
  }

  private func save(_ state: SavedState) throws {
    let url = work.checkpointFile(step: state.step)
    // The events first: a state that outlives a crash must find them.
    let file = CheckpointFile(key: job.key, events: try events.sync(), state: state)
    guard try unlessFull(url, { try file.write(to: url, files) }) else { return }
    progress.withLock {
      $0.latest = SavedPlace(step: state.step, url: url)
      $0.savedStep = state.step
      $0.savedAt = .now
    }
    for old in try work.checkpointFiles().dropLast(policy.keep) { try files.remove(old) }
  }

  func finished(_ state: () throws -> SavedState?) throws {
    guard let continuation, continuation.length > 0, let state = try state() else { return }
    _ = try events.sync()
    try files.remove(work.finalState)
    let kept = try unlessFull(work.finalState) {
      let metrics = try work.readEvents().filter { if case .metric = $0 { true } else { false } }
      let lines = try metrics.reduce(into: Data()) { $0 += try storedJSON($1) + Data("\n".utf8) }
      try files.makeFolder(work.finalState)
      try files.write(lines, toNew: work.finalState.appending(path: FinalState.events))
      try CheckpointFile(key: continuation.key, events: lines.count, state: state)
        .write(to: work.finalState.appending(path: FinalState.state), files)
    }
    if !kept { try files.remove(work.finalState) }
  }

  /// Whether it was written. A disk that is full for the moment costs a state, not the training: it goes on with a
  /// warning, and whatever it needs to write in the end fails by itself.
  private func unlessFull(_ url: URL, _ body: () throws -> Void) throws -> Bool {
    do {
      try body()
      return true
    } catch let error as FileError where [ENOSPC, EDQUOT].contains(error.code) {
      events.write(.warning("the training's state was not saved: \(error)"))
      return false
    }
  }
}
