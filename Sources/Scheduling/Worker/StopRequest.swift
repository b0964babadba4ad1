/// How a program is asked to end, and what it does about it.
import Foundation
import Pipelines
import Synchronization

/// Whether a worker was asked to end: set from a signal or the end of its input, seen by the stage between two steps.
package final class StopRequest: Sendable {
  private let asked = Mutex(false)

  package init() {}
  package func ask() { asked.withLock { $0 = true } }
  package var isAsked: Bool { asked.withLock { $0 } }
}

extension Job {
  /// What a worker has for ending itself, before it is killed with all that it started: a command to tidy up; a
  /// training for one step, a validation and writing its state, which with accumulation and a large model take minutes.
  /// The stage's lock is held until then, so nobody else begins meanwhile.
  var grace: Duration { checkpoint == nil ? .seconds(2) : .seconds(600) }
}

/// Turns the signals that ask a program to end into calls.
package enum Interrupts {
  /// The signals call `action`, each time; hold on to what is returned.
  package static func handle(
    _ signals: [Int32] = [SIGINT, SIGTERM, SIGHUP], _ action: @escaping @Sendable () -> Void
  ) -> [any DispatchSourceSignal] {
    signals.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler(handler: action)
      source.activate()
      return source
    }
  }
}
