/// The lock of one stage's work. Held by a worker and, through an inherited descriptor, by what it started.
import Artifacts
import Foundation
import Pipelines

extension WorkFolder {
  /// Waits for the lock, then writes who holds it. It is held as long as what is returned lives.
  /// - Throws: `StageInterrupted` if it is asked to stop meanwhile.
  func takeLock(for stage: String, files: FileOperations, stop: StopRequest) throws -> FileLock {
    while true {
      try files.makeFolder(url)
      let lock: FileLock
      // Whoever collects takes away the folders of finished work, this one too a moment ago.
      do { lock = try openLock() } catch let error as FileError where error.code == ENOENT { continue }
      try wait(for: lock, stop)
      guard lock.isInPlace else { continue }
      try announce(stage, events: nil, in: lock)
      return lock
    }
  }

  private func wait(for lock: FileLock, _ stop: StopRequest) throws {
    while try !lock.take() {
      if stop.isAsked { throw StageInterrupted(latest: nil) }
      // A worker that was killed may leave a command that goes on; its group still has the worker's number.
      if let holder = readHolder(), holder.host == LockHolder.thisHost, kill(holder.pid, 0) != 0 && errno == ESRCH {
        kill(-holder.pid, SIGKILL)
      }
      usleep(100_000)
    }
  }

  /// Writes who holds the lock and, once that is known, where its events begin.
  func announce(_ stage: String, events: Int?, in lock: FileLock) throws {
    let holder = try storedJSON(LockHolder(pid: getpid(), host: LockHolder.thisHost, stage: stage, events: events))
    guard ftruncate(lock.descriptor, 0) == 0,
      holder.withUnsafeBytes({ pwrite(lock.descriptor, $0.baseAddress, $0.count, 0) }) == holder.count
    else { throw FileError("write", lock.url) }
  }
}

/// Who holds a stage's lock: written into the lock's file by whoever takes it.
package struct LockHolder: Sendable, Hashable, Codable, CustomStringConvertible {
  package var pid: Int32
  package var host: String
  package var stage: String
  /// Bytes of the stage's event file that an earlier attempt wrote; absent until the holder has begun.
  package var events: Int?
  package init(pid: Int32, host: String, stage: String, events: Int? = nil) {
    self.pid = pid
    self.host = host
    self.stage = stage
    self.events = events
  }
  package static let thisHost = ProcessInfo.processInfo.hostName
  package var description: String { "process \(pid) on \(host), which runs stage `\(stage)`" }
}
