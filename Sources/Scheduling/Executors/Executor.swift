/// Where stages run: a worker process on this machine, later a job of a cluster.
import Artifacts
import Foundation
import Pipelines

package protocol Executor: Sendable {
  /// Runs a work order to its end; a cancelled task ends it early, leaving what the next attempt continues from.
  /// - Parameters:
  ///   - name: of this attempt, for its files in `logs`.
  ///   - report: called as things happen.
  func run(
    _ order: WorkOrder, as name: String, logs: URL, timeout: Duration?,
    report: @escaping @Sendable (AttemptReport) -> Void
  ) async throws -> AttemptEnd
}

package enum AttemptReport: Sendable {
  case event(StageEvent)
  /// Another process is at this stage.
  case waits(LockHolder)
  /// The result comes from the remote store that the order names.
  case pulled
}

/// What a worker that ended well has made.
package struct MadeResult: Sendable {
  package var outputs: [String: StoredArtifact]
  package var metrics: [StageResult.Metric]
  /// Bytes that the worker, or the largest program it ran, has had in memory at most.
  package var peakMemory: Int?
  /// The final state, if a longer run may go on from it.
  package var continuation: StoredContinuation?
  package var profile: StageProfile?
  package var verdict: Verdict?
}

package enum AttemptEnd: Sendable {
  case success(StageState.Success, MadeResult)
  /// - Parameter again: whether another attempt may help.
  case failure(StageFailure, again: Bool)

  /// What a worker that ended well left in its folder.
  package static func success(reading work: WorkFolder, _ success: StageState.Success) throws -> AttemptEnd {
    guard let result = try work.readResult() else { throw FileError("read", work.result, code: ENOENT) }
    var made = MadeResult(
      outputs: result.outputs, metrics: [], peakMemory: result.peakMemory, continuation: result.continuation)
    for event in try work.readEvents() {
      switch event {
      case .metric(let name, let value, let step):
        made.metrics.append(StageResult.Metric(name: name, value: value, step: step))
      case .profile(let profile): made.profile = profile
      case .verdict(let verdict): made.verdict = verdict
      case .log, .warning, .progress, .resumed: break
      }
    }
    return .success(success, made)
  }
}
