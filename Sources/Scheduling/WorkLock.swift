/// The lock of one stage's work. Held by a worker and, through an inherited descriptor, by what it started.
import Artifacts
import Foundation

extension WorkFolder {
  /// Waits for the lock, then writes who holds it. It is held as long as what is returned lives.
  func takeLock(for stage: String, files: FileOperations) throws -> FileLock {
    while true {
      try files.makeFolder(url)
      let lock: FileLock
      // Whoever collects takes away the folders of finished work, this one too a moment ago.
      do { lock = try FileLock(at: self.lock) } catch let error as FileError where error.code == ENOENT { continue }
      try wait(for: lock)
      guard lock.isInPlace else { continue }
      try write(stage, to: lock)
      return lock
    }
  }

  private func wait(for lock: FileLock) throws {
    while try !lock.take() {
      // A worker that was killed may leave a command that goes on; its group still has the worker's number.
      if let holder = readHolder(), holder.host == LockHolder.thisHost, kill(holder.pid, 0) != 0 && errno == ESRCH {
        kill(-holder.pid, SIGKILL)
      }
      usleep(100_000)
    }
  }

  private func write(_ stage: String, to lock: FileLock) throws {
    let holder = try storedJSON(LockHolder(pid: getpid(), host: LockHolder.thisHost, stage: stage))
    guard ftruncate(lock.descriptor, 0) == 0,
      holder.withUnsafeBytes({ pwrite(lock.descriptor, $0.baseAddress, $0.count, 0) }) == holder.count
    else { throw FileError("write", lock.url) }
  }
}
