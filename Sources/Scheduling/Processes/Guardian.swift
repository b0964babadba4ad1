/// Watches over one attempt's processes: holds them to the stage's memory, and leaves none of them behind.
import Foundation
import Processes
import Synchronization

final class Guardian: Sendable {
  private let worker: pid_t
  /// Bytes.
  private let allowed: Int
  private let group: MemoryGroup?
  private let killsBefore = KernelKills.count()
  private struct State {
    var tree: ProcessTree
    var lastSeen = 0
  }
  private let state: Mutex<State>

  /// - Parameter memory: bytes that the worker and all it starts may use together.
  init(_ worker: pid_t, memory: Int) {
    self.worker = worker
    allowed = memory
    state = Mutex(State(tree: ProcessTree(root: worker)))
    var group = MemoryGroup(named: "retort-\(getpid())-\(worker)", limit: memory)
    if let made = group, !made.admit(worker) {
      made.remove()
      group = nil
    }
    self.group = group
  }

  /// Until the task is cancelled. Where the kernel does not hold the processes to their memory, this does.
  func watch(_ kill: @Sendable (StageFailure.Reason) -> Void) async {
    var pause = Duration.milliseconds(150)
    while !Task.isCancelled {
      // A cancelled sleep only ends the loop sooner.
      do { try await Task.sleep(for: pause) } catch { break }
      let start = ContinuousClock.now
      let used = state.withLock { state in
        state.tree.update(ProcessEntry.all())
        // Counting exactly takes long; what the files of all together fill is an upper bound.
        state.lastSeen = state.tree.resident > allowed && group == nil ? state.tree.ownMemory : state.tree.resident
        return state.lastSeen
      }
      if group == nil && used > allowed {
        kill(.memory(used: used, allowed: allowed, .limit))
        state.withLock { $0.tree.killDescendants() }
        break
      }
      // Of a processor, one twentieth at most.
      pause = max(pause, (ContinuousClock.now - start) * 20)
    }
  }

  /// Kills what the worker left; to be called before it is reaped, and blocks until all are gone.
  func killRest() { state.withLock { $0.tree.killDescendants() } }

  /// Why the worker ended as it did, if it was for want of memory. Takes the control group away.
  func verdict(_ end: ProcessEnd) -> StageFailure.Reason? {
    let lastSeen = state.withLock { $0.lastSeen }
    defer { group?.remove() }
    if let group, group.ranOut { return .memory(used: group.peak ?? allowed, allowed: allowed, .limit) }
    // A command that was killed shows as a shell's exit code.
    guard [.signal(SIGKILL), .exit(128 + SIGKILL)].contains(end), KernelKills.count() > killsBefore else { return nil }
    return .memory(used: lastSeen, allowed: allowed, .system)
  }
}
