/// Starts and reaps child processes by hand: a child has to lead a session of its own or inherit the stage's lock, and
/// must be killed with its group before it is reaped; swift-subprocess offers none of these.
import Artifacts
import CSystem
import Foundation

/// How a process ended.
package enum ProcessEnd: Sendable, Hashable, CustomStringConvertible {
  case exit(Int32)
  case signal(Int32)

  package var description: String {
    switch self {
    case .exit(let code): "exit code \(code)"
    case .signal(let number): "signal \(number)"
    }
  }
}

package struct ChildProcess: Sendable {
  package let pid: pid_t

  /// - Parameters:
  ///   - descriptors: of this process, to become 0, 1, 2, … of the child, `nil` for /dev/null; all others stay closed.
  ///   - newSession: whether the child leads a session and a process group of its own.
  package init(
    _ executable: String, _ arguments: [String],
    environment: [String: String] = ProcessInfo.processInfo.environment, folder: URL? = nil, descriptors: [Int32?],
    newSession: Bool
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // First above all targets, so that no target overwrites a source that is still needed.
    let clear = Int32(descriptors.count) + (descriptors.compactMap(\.self).max() ?? 0) + 1
    for (index, descriptor) in zip(Int32(0)..., descriptors) {
      if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, clear + index) }
    }
    for (index, descriptor) in zip(Int32(0)..., descriptors) {
      if descriptor == nil {
        posix_spawn_file_actions_addopen(&actions, index, "/dev/null", O_RDWR, 0)
      } else {
        posix_spawn_file_actions_adddup2(&actions, clear + index, index)
      }
    }
    if let folder { posix_spawn_file_actions_addchdir_np(&actions, folder.posixPath) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var defaults = sigset_t()
    sigfillset(&defaults)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var flags = Int(POSIX_SPAWN_SETSIGDEF) | Int(POSIX_SPAWN_SETSIGMASK) | RETORT_SPAWN_CLOSE_OTHERS
    if newSession { flags |= RETORT_SPAWN_NEW_SESSION }
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
    _ = retort_spawn_close_from(&actions, Int32(descriptors.count))

    var pid = pid_t()
    let code = withCStrings([executable] + arguments) { arguments in
      withCStrings(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }) { environment in
        posix_spawn(&pid, executable, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw FileError("start", URL(filePath: executable), code: code) }
    self.pid = pid
  }

  /// Waits on this thread for the end of the process.
  /// - Parameters:
  ///   - killGroup: kill what is left of its group, which is safe only while the process is not yet reaped.
  ///   - beforeReaping: done then, too.
  package func wait(killGroup: Bool = false, beforeReaping: () -> Void = {}) -> ProcessEnd {
    if killGroup {
      var information = siginfo_t()
      while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
      kill(-pid, SIGKILL)
      beforeReaping()
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7f
    return signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
  }

  /// Whether the process ends before the time is over; it is not reaped.
  package func ends(within limit: Duration) -> Bool {
    let end = ContinuousClock.now + limit
    var pause: useconds_t = 500
    while true {
      var information = siginfo_t()
      let code = waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | WNOHANG)
      if code == 0, information.si_signo != 0 { return true }
      if code != 0, errno != EINTR { return true }
      guard ContinuousClock.now < end else { return false }
      usleep(pause)
      pause = min(pause * 2, 20_000)
    }
  }

  /// Waits on a thread of its own.
  package func end(killGroup: Bool, beforeReaping: @escaping @Sendable () -> Void = {}) async -> ProcessEnd {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(returning: wait(killGroup: killGroup, beforeReaping: beforeReaping))
      }
    }
  }
}

/// Two ends of a pipe; neither is inherited unless it is handed on.
package func makePipe() throws -> (read: Int32, write: Int32) {
  var ends: [Int32] = [0, 0]
  guard pipe(&ends) == 0 else { throw FileError("make", URL(filePath: "a pipe")) }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}

private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
