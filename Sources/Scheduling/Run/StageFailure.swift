/// Why an attempt failed, and the end of what it printed.
import Artifacts
import Foundation
import Pipelines

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

    var isWaiting: Bool { if case .waitedTooLong = self { true } else { false } }
    var isMemory: Bool { if case .memory = self { true } else { false } }
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
      "used \(sizeText(used)) of memory, and its `memory: \(sizeText(allowed))` allows no more; raise `memory` in "
        + "the stage or in `defaults`, or let it need less: a training with a lower batch_size, K or max_len, "
        + "a command with less at once"
    case .memory(let used, let allowed, .system):
      "was killed by the kernel, which had no memory left, while it used \(sizeText(used)) of the \(sizeText(allowed)) "
        + "that its `memory` allows; run less at once (-j, --memory), or give the machine or its container more"
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

/// The last lines that are not empty; long ones by their ends.
/// - Parameter root: a folder beneath which no link is followed, in most cases the store.
package func lastLines(of log: URL, beneath root: URL, count: Int = 12) throws -> [String] {
  let file = try Enclosure(root).open(log, O_RDONLY)
  let length = try file.length(of: log)
  let text = String(decoding: try file.bytes(of: log, from: max(0, length - 8192)), as: UTF8.self)
  return text.split(whereSeparator: \.isNewline).suffix(count).map { line in
    line.count > 1000 ? "…\(line.suffix(1000))" : String(line)
  }
}
