/// What a run tells whoever watches it, in the order in which it happens.
import Artifacts
import Foundation
import Hub
import Pipelines

package enum RunEvent: Sendable {
  case began(run: Int)
  case moved(StageID, StageState)
  /// A running stage says something: progress, a metric, a line.
  case reported(StageID, StageEvent)
  /// A running stage waits for a model.
  case downloads(StageID, HubProgress)
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

extension RunSummary {
  /// - Parameters:
  ///   - states: of all stages that the run was to bring to an end.
  ///   - onlyWaited: whether every stage that failed waited too long for another run.
  init(run: Int, states: [StageState], onlyWaited: Bool) {
    let counts = Dictionary(states.map { ($0, 1) }, uniquingKeysWith: +)
    func count(_ state: StageState) -> Int { counts[state, default: 0] }
    let outcome: RunOutcome =
      if count(.interrupted) > 0 {
        .interrupted
      } else if count(.failed) == 0 {
        .done
      } else {
        onlyWaited ? .waitedTooLong : .failed
      }
    self.init(
      run: run, outcome: outcome, ran: count(.ran), cached: count(.cached), failed: count(.failed),
      skipped: count(.skipped))
  }
}
