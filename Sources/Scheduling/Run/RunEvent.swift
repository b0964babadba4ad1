/// What a run tells whoever watches it, in the order in which it happens.
import Artifacts
import Foundation
import Pipelines

package enum RunEvent: Sendable {
  case began(run: Int)
  case moved(StageID, StageState)
  /// From a running stage: progress, a metric, a line.
  case reported(StageID, StageEvent)
  /// Another process is at this very stage; its result will be taken.
  case waits(StageID, holder: LockHolder)
  /// An attempt failed; `StageState` tells whether another one follows.
  case failed(StageID, StageFailure)
  /// Something to know that stops nothing: damage that is repaired, bytes that differ from the recorded ones.
  case warning(StageID?, String)
  case published(StageID, URL)
  case ended(RunSummary)
}

package struct RunSummary: Sendable {
  package var run: Int
  package var outcome: RunOutcome
  package var ran: Int
  package var cached: Int
  package var failed: Int
  package var skipped: Int
}

/// Why an attempt failed, and the end of what it printed.
package struct StageFailure: Error, Sendable, CustomStringConvertible {
  package enum Reason: Sendable, Hashable {
    case exit(Int32)
    case signal(Int32)
    case timeout(Duration)
    /// Bytes that were in use and that `memory` allows, and who ended it.
    case memory(used: Int, allowed: Int, MemoryKeeper)
    case waitedTooLong(LockHolder?)
    /// Before or after the worker: an input that cannot be read, a publication that is refused.
    case error(String)
  }
  /// Who ends what uses too much memory: whoever holds it to the stage's `memory`, or the kernel, which had none left.
  package enum MemoryKeeper: Sendable, Hashable { case limit, system }
  package var reason: Reason
  package var log: URL?
  /// The last lines of the log.
  package var lastLines: [String]

  package init(_ reason: Reason, log: URL? = nil, lastLines: [String] = []) {
    self.reason = reason
    self.log = log
    self.lastLines = lastLines
  }

  package var headline: String {
    switch reason {
    case .exit(WorkerExit.interrupted.rawValue): "was told to end from outside"
    case .exit(let code): "failed with exit code \(code)"
    case .signal(let number): "was killed by signal \(number) (\(String(cString: strsignal(number))))"
    case .timeout(let limit):
      "ran longer than its timeout of "
        + limit.formatted(.units(allowed: [.hours, .minutes, .seconds, .milliseconds], width: .narrow))
    case .memory(let used, let allowed, .limit):
      "used \(sizeText(used)) of memory, and its `memory: \(sizeText(allowed))` allows no more; raise `memory` in the stage or "
        + "in `defaults`, or let it need less: a training with a lower batch_size, K or max_len, a command with less at once"
    case .memory(let used, let allowed, .system):
      "was killed by the kernel, which had no memory left, while it used \(sizeText(used)) of the \(sizeText(allowed)) that "
        + "its `memory` allows; run less at once (-j, --memory), or give the machine or its container more"
    case .waitedTooLong(let holder): "waited too long for \(holder?.description ?? "another run")"
    case .error(let message): message
    }
  }
  /// Whether the stage ended of itself, so that what it printed last tells why.
  private var isItsOwn: Bool {
    switch reason {
    case .exit, .signal: true
    case .timeout, .memory, .waitedTooLong, .error: false
    }
  }

  /// In one line: the headline, and what the log says of it.
  package var cause: String {
    guard isItsOwn else { return headline }
    let said = lastLines.first { $0.contains("error: ") } ?? lastLines.last
    return headline + (said.map { ": " + $0.trimmingCharacters(in: .whitespaces) } ?? "")
  }
  package var description: String {
    ([headline] + lastLines.map { "  \($0)" } + (log.map { ["  log: \($0.posixPath)"] } ?? [])).joined(separator: "\n")
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
