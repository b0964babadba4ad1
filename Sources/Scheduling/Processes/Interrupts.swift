/// Turns the signals that ask a program to end into calls.
import Foundation

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
