/// Where a stage took up the work of an attempt that was cut off, told once it is known how much there is.
import Pipelines
import Synchronization

final class Resumption: Sendable {
  private let step = Mutex<Int?>(nil)

  /// - Returns: words for the journal at the first progress after the stage has said that it goes on, else `nil`.
  func hear(_ event: StageEvent) -> String? {
    switch event {
    case .resumed(let step): self.step.withLock { $0 = step }
    case .progress(_, let total, _):
      let found = step.withLock { step in
        defer { step = nil }
        return step
      }
      return found.map { "resumed at \($0) of \(total) steps" }
    case .log, .warning, .metric, .profile, .verdict: break
    }
    return nil
  }
}
