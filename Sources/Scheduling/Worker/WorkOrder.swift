/// What the coordinator hands a worker, and what the worker leaves in its work folder when it is done.
///
///     work/<key>/lock           held by the worker and its children; says who they are
///     work/<key>/events.jsonl   one `StageEvent` a line
///     work/<key>/result.json    complete as soon as it is there
///     work/<key>/out, cwd       what the stage wrote, until it is in the store
///     work/<key>/scratch        the stage's own, until it succeeds; a training's checkpoints lie there
import Artifacts
import Foundation
import Pipelines

package struct WorkOrder: Codable, Sendable {
  package var job: Job
  /// Ports whose content lies outside the store: looked at again when the work is done.
  package var sources: [String]
  /// Trusted when that is done.
  package var stamps: KnownStamps
  /// Compute although there may be a result.
  package var force: Bool
  /// Only time so many steps of a training, see `StageProbe`.
  package var probeSteps: Int?
  /// Where a result may be found.
  package var remote: RemoteOrder?
  /// Tell where the time goes, see `StageProfile`.
  package var profiles = false
  /// Begin at the beginning although there may be a saved state.
  package var anew = false
  /// Absent where longer runs of the stage cannot go on from shorter ones.
  package var continuation: Continuation?
  /// What the key says of precision, instructions and engine; absent where the stage computes nothing.
  package var numerics: String?
}

/// Where a worker may take results from instead of computing them.
package struct RemoteOrder: Codable, Sendable {
  package var folder: URL
  /// Take it or fail.
  package var isOnly: Bool
  /// Whether the worker gets a `RemoteKey`, on its standard input: it is in no file. Older orders say nothing.
  package var isSigned: Bool?
  package init(folder: URL, isOnly: Bool, isSigned: Bool) {
    self.folder = folder
    self.isOnly = isOnly
    self.isSigned = isSigned
  }
}

/// How a worker ends; any other code is a command's own.
package enum WorkerExit: Int32, Sendable {
  case done = 0
  /// The stage failed; the log ends with the reason.
  case failed = 1
  /// An input changed while the stage ran; its result was thrown away.
  case sourceChanged = 113
  /// Somebody else's complete result was there when the lock was free.
  case adopted = 114
  /// The result came from a remote store.
  case pulled = 117
  /// There was no space left; the log may lack the reason for the same reason.
  case diskFull = 115
  /// It was asked to end; a training has saved its state.
  case interrupted = 116
  /// The stage failed, and would fail again: see `PermanentFailure`.
  case permanent = 118
}

package struct WorkFolder: Sendable {
  package let url: URL
  /// `work/<key>` lies in it.
  private let store: URL
  /// No link in the store is followed.
  let enclosure: Enclosure

  package init(_ url: URL) {
    self.url = url
    store = url.deletingLastPathComponent().deletingLastPathComponent()
    enclosure = Enclosure(store)
  }
  package var lock: URL { url.appending(path: "lock") }
  package var events: URL { url.appending(path: "events.jsonl") }
  package var result: URL { url.appending(path: "result.json") }
  package var scratch: URL { url.appending(path: "scratch") }

  /// Without what was reported; `nil` if nobody has finished.
  package func readResult() throws -> StageResult? {
    try read(result).map { try JSONDecoder().decode(StageResult.self, from: $0) }
  }

  /// `nil` while nobody has said so, or has not finished saying it.
  package func readHolder() -> LockHolder? {
    do { return try read(lock).map { try JSONDecoder().decode(LockHolder.self, from: $0) } } catch { return nil }
  }

  package func openLock() throws -> FileLock { try FileLock(at: lock, beneath: store) }
  package var isHeld: Bool { get throws { try FileLock.isHeld(lock, beneath: store) } }

  /// Everything reported by now; a last line that is not complete is left out.
  package func readEvents() throws -> [StageEvent] {
    var tail = EventTail(self)
    return try tail.read().events
  }

  /// `nil` if there is no such file.
  private func read(_ file: URL) throws -> Data? {
    do { return try enclosure.read(file) } catch let error as FileError where error.code == ENOENT { return nil }
  }
}
