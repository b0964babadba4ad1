/// What `retort watch` shows, as a value: also what it prints with `--json`.
import Basics
import Foundation
import Lineage
import Scheduling

package struct RunSnapshot: Encodable {
  package struct Stage: Encodable {
    package struct Series: Encodable {
      package var name: String
      package var last: Double?
      /// At most `width` means of neighbours, oldest first; `nil` for what is not a number.
      package var values: [Double?]
      package static let width = 40
    }
    package var name: String
    package var kind: String
    /// running, ran, cached, failed, skipped, interrupted
    package var state: String
    package var attempt: Int
    /// Absent if nobody wrote down when it ended.
    package var seconds: Double?
    package var error: String?
    // These a running one has:
    package var done: Int?
    package var total: Int?
    package var detail: String?
    /// Units a second, and the seconds that are left at that rate.
    package var rate: Double?
    package var secondsLeft: Double?
    /// Resident bytes of the worker and what it started.
    package var memory: Int?
    /// The loss, and one metric of validation.
    package var series: [Series] = []
  }
  package var run: Int
  package var pipeline: String
  package var file: String
  /// running, done, failed, waited too long, interrupted; `died` if it says that it runs and nobody runs it.
  package var state: String
  package var pid: Int32
  package var host: String
  package var started: Date
  /// Absent if nobody wrote down when it ended.
  package var seconds: Double?
  /// How many stages it is to bring to an end.
  package var planned: Int?
  /// The time until the end of a run that goes on, by the progress of what is running and what the rest took before.
  package var secondsLeft: Double?
  /// Stages to come, or running, of which nobody can tell, so that `secondsLeft` is without them.
  package var unknown = 0
  package var stages: [Stage]
  /// What a run took over that goes on where another one was cut off.
  package var recovery: Recovery?
  /// The run that goes on with one that was cut off, or what is going to start that.
  package var continuedBy: Int?
  package var restart: Restart?

  /// How a run that was cut off goes on by itself.
  package struct Restart: Encodable {
    package enum Kind: String, Codable, Sendable { case systemd, cron }
    /// The order, a file of the store.
    package var order: String
    package var registration: Kind
    /// Whether a process is about to start it again.
    package var isKept: Bool

    package init(order: String, registration: Kind, isKept: Bool) {
      self.order = order
      self.registration = registration
      self.isKept = isKept
    }
  }

  package var isOver: Bool { state != "running" }
  package func count(_ state: StageRecord.State) -> Int { stages.count { $0.state == state.rawValue } }
  package var counts: [(state: StageRecord.State, count: Int)] {
    [.ran, .cached, .failed, .skipped, .interrupted].map { ($0, count($0)) }
  }
}

extension RunSnapshot.Stage.Series {
  package init(_ name: String, _ all: [Double]) {
    self.name = name
    last = all.last.flatMap { $0.isFinite ? $0 : nil }
    let bins = min(all.count, Self.width)
    values = (0..<bins).map { bin in
      let part = all[all.count * bin / bins..<all.count * (bin + 1) / bins].filter(\.isFinite)
      return part.isEmpty ? nil : mean(ofFinite: part)
    }
  }

  /// One character a value, from the least to the largest.
  package var sparkline: String {
    let known = values.compactMap { $0 }
    guard let axis = Axis(known, pad: 0) else { return "" }
    let blocks = Array("▁▂▃▄▅▆▇█")
    return String(
      values.map { value in
        guard let value else { return " " }
        return blocks[axis.point == nil ? min(7, Int(axis.share(value) * 8)) : 0]
      })
  }
}
