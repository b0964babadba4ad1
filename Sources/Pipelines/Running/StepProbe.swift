/// Times the first steps of a training and then ends it: how a forecast is made of what was never run.
import Basics
import Synchronization

package final class StepProbe: Sendable {
  private let steps: Int
  private let start = ContinuousClock.now
  /// When each step was done, from the start.
  private let ends = Mutex<[Duration]>([])

  /// - Parameter steps: after which to end, 2 or more, since the first one warms up.
  package init(steps: Int) { self.steps = steps }

  /// Throws `Probed` when it has seen enough, or all.
  func stepped(of total: Int) throws {
    let ends = self.ends.withLock { ends in
      ends.append(ContinuousClock.now - start)
      return ends
    }
    if ends.count >= min(steps, total) { throw Probed(stepEnds: ends.map(\.seconds), totalSteps: total) }
  }
}

/// What the first steps of a training tell of all of it.
package struct Probed: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  package var totalSteps: Int
  /// Mean of all timed steps but the first; of a single one, its time with all that came before.
  package var secondsPerStep: Double
  /// What comes before the first step: reading, tokenizing.
  package var setupSeconds: Double
  package var timedSteps: Int

  /// - Parameter stepEnds: when each timed step was done, in seconds from the start; at least one.
  package init(stepEnds: [Double], totalSteps: Int) {
    self.totalSteps = totalSteps
    timedSteps = stepEnds.count
    let first = stepEnds.first ?? 0
    let last = stepEnds.last ?? 0
    secondsPerStep = stepEnds.count > 1 ? (last - first) / Double(stepEnds.count - 1) : first
    setupSeconds = max(0, first - secondsPerStep)
  }

  /// Of all steps; what validation takes is not in it.
  package var seconds: Double { setupSeconds + secondsPerStep * Double(totalSteps) }
  package var description: String { "the training was ended after \(timedSteps) steps, which were timed" }
}
