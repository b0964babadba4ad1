/// Reads a run from the database and from the event files of its stages, as often as asked; never writes anything.
import Basics
import Artifacts
import Foundation
import Lineage
import Scheduling

package struct RunWatcher {
  private let run: Int
  private let journal: Journal
  private let store: Store
  private var tails: [String: ProgressTail] = [:]
  /// The last looks at each stage's progress, oldest first.
  private var looks: [String: [(time: Date, done: Int)]] = [:]
  /// Seconds by the stage's name, of an earlier run.
  private let expected: [String: Double]
  private let restart: (_ run: Int) throws -> RunSnapshot.Restart?

  /// - Parameter restart: what is going to start a run again that was cut off, if something is.
  package init(
    _ run: Int, journal: Journal, store: Store, restart: @escaping (_ run: Int) throws -> RunSnapshot.Restart?
  ) throws {
    self.restart = restart
    expected = try journal.expectedSeconds(ofRun: run)
    self.run = run
    self.journal = journal
    self.store = store
  }

  package mutating func look(at now: Date = Date()) throws -> RunSnapshot {
    // In this order: a coordinator records the end before it lets its lock go.
    let isHeld = try store.isRunning(run)
    let watched = try journal.watched(run)
    let hasDied = watched.state == "running" && !isHeld && !isBeginning(watched, now)
    let goesOn = watched.state == "running" && !hasDied
    var snapshot = RunSnapshot(
      run: run, pipeline: watched.pipeline, file: watched.file, state: hasDied ? "died" : watched.state,
      pid: watched.pid, host: watched.host, started: watched.started,
      seconds: (watched.ended ?? (goesOn ? now : nil))?.timeIntervalSince(watched.started).toMilliseconds,
      planned: watched.planned,
      stages: [], recovery: watched.recovery, continuedBy: watched.continuedBy)
    if ["died", "interrupted"].contains(snapshot.state), snapshot.continuedBy == nil {
      snapshot.restart = try restart(run)
    }
    for stage in watched.stages {
      var shown = RunSnapshot.Stage(
        name: stage.name, kind: stage.kind, state: stage.state.rawValue, attempt: stage.attempt,
        seconds: (stage.ended ?? (goesOn ? now : nil))?.timeIntervalSince(stage.started).toMilliseconds,
        error: stage.error)
      if stage.state == .running, goesOn, let key = stage.key {
        try add(WorkFolder(store.workFolder(of: key.digest)), to: &shown, now)
      }
      snapshot.stages.append(shown)
    }
    if goesOn { estimate(&snapshot) }
    return snapshot
  }

  /// Work that is left, over as many stages at once as there were on average.
  private func estimate(_ snapshot: inout RunSnapshot) {
    let known = Set(snapshot.stages.map(\.name))
    let running = snapshot.stages.filter { $0.state == "running" }
    let left = running.map { stage in
      stage.secondsLeft ?? expected[stage.name].map { max(0, $0 - (stage.seconds ?? 0)) }
    }
    let coming = expected.filter { !known.contains($0.key) }.values
    let unplanned = (snapshot.planned ?? known.count) - known.count - coming.count
    snapshot.unknown = left.count { $0 == nil } + max(0, unplanned)
    let work = (left.compactMap(\.self) + coming).reduce(0, +)
    let busy = snapshot.stages.filter { ["ran", "running"].contains($0.state) }.reduce(0) { $0 + ($1.seconds ?? 0) }
    let width = max(1, busy / max(snapshot.seconds ?? 0, 1))
    if snapshot.unknown < running.count + max(0, unplanned) + coming.count {
      snapshot.secondsLeft = max(work / width, left.compactMap(\.self).max() ?? 0)
    }
  }

  /// A run is in the database a moment before its lock is taken.
  private func isBeginning(_ watched: WatchedRun, _ now: Date) -> Bool {
    now.timeIntervalSince(watched.started) < 3 && watched.host == LockHolder.thisHost && kill(watched.pid, 0) == 0
  }

  private mutating func add(_ work: WorkFolder, to stage: inout RunSnapshot.Stage, _ now: Date) throws {
    var tail = tails[stage.name] ?? ProgressTail(work)
    let holder = work.readHolder()
    try tail.read(earlier: holder?.events ?? 0)
    tails[stage.name] = tail
    if let holder, holder.host == LockHolder.thisHost {
      stage.memory = residentMemory(ofSession: holder.pid)
    }
    let validation = tail.series.first { $0.name.hasPrefix("validation_") }
    let training = tail.series.first { $0.name == "loss" } ?? tail.series.first { $0.name != validation?.name }
    stage.series = [training, validation].compactMap { $0 }.map { .init($0.name, $0.values) }
    guard let progress = tail.progress else { return }
    (stage.done, stage.total, stage.detail) = progress
    stage.rate = rate(stage, progress.done, from: tail.begun, since: work.began, now)
    if let rate = stage.rate, rate > 0 {
      stage.secondsLeft = max(0, Double(progress.total) - Double(progress.done)) / rate
    }
  }

  /// Over the last half minute, if it was looked at for a while; else since the worker took the stage's lock: what an
  /// earlier attempt had done is not of this one's speed.
  private mutating func rate(
    _ stage: RunSnapshot.Stage, _ done: Int, from begun: Int, since began: Date?, _ now: Date
  ) -> Double? {
    var recent = (looks[stage.name] ?? []).filter { now.timeIntervalSince($0.time) < 30 && $0.done <= done }
    recent.append((now, done))
    looks[stage.name] = recent
    let first = recent[0]
    if now.timeIntervalSince(first.time) >= 5 {
      return (Double(done) - Double(first.done)) / now.timeIntervalSince(first.time)
    }
    guard let seconds = began.map(now.timeIntervalSince) ?? stage.seconds else { return nil }
    return seconds > 0 ? max(0, Double(done) - Double(begun)) / seconds : nil
  }
}

extension WorkFolder {
  /// When the worker wrote its name into the lock.
  fileprivate var began: Date? {
    FileStatus.of(lock).map { Date(timeIntervalSince1970: Double($0.stamp.modified) / 1e9) }
  }
}
