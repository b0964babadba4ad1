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

package enum AttemptEnd: Sendable {
  case success(StageState.Success, StageResult)
  /// - Parameter again: whether another attempt may help.
  case failure(StageFailure, again: Bool)

  /// What a worker that ended well left in its folder.
  package static func success(reading work: WorkFolder, _ success: StageState.Success) throws -> AttemptEnd {
    guard var result = try work.readResult() else { throw FileError("read", work.result, code: ENOENT) }
    try work.readEvents().forEach { result.add($0) }
    return .success(success, result)
  }
}
