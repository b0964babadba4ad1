/// The lock of one stage's work. Held by a worker and, through an inherited descriptor, by what it started.
import Artifacts
import Foundation

struct WorkLock: ~Copyable {
  private let lock: FileLock
  var descriptor: Int32 { lock.descriptor }

  /// Waits for the lock, then writes who holds it.
  init(_ work: WorkFolder, stage: String) throws {
    let host = LockHolder.thisHost
    let lock = try FileLock(at: work.lock)
    while try !lock.take() {
      // A worker that was killed may leave a command that goes on; its group still has the worker's number.
      if let holder = work.readHolder(), holder.host == host, kill(holder.pid, 0) != 0 && errno == ESRCH {
        kill(-holder.pid, SIGKILL)
      }
      usleep(100_000)
    }
    let holder = try storedJSON(LockHolder(pid: getpid(), host: host, stage: stage))
    guard ftruncate(lock.descriptor, 0) == 0,
      holder.withUnsafeBytes({ pwrite(lock.descriptor, $0.baseAddress, $0.count, 0) }) == holder.count
    else { throw FileError("write", work.lock) }
    self.lock = lock
  }
}
