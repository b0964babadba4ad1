/// What `retort watch` shows, as a value: also what it prints with `--json`.
import Basics
import Foundation
import Lineage
import Scheduling

struct RunSnapshot: Encodable {
  struct Stage: Encodable {
    struct Series: Encodable {
      var name: String
      var last: Double?
      /// At most `width` means of neighbours, oldest first; `nil` for what is not a number.
      var values: [Double?]
      static let width = 40
    }
    var name: String
    var kind: String
    /// running, ran, cached, failed, skipped, interrupted
    var state: String
    var attempt: Int
    /// Absent if nobody wrote down when it ended.
    var seconds: Double?
    var error: String?
    // Of a running one:
    var done: Int?
    var total: Int?
    var detail: String?
    /// Units a second, and the seconds that are left at that rate.
    var rate: Double?
    var secondsLeft: Double?
    /// Resident bytes of the worker and what it started.
    var memory: Int?
    /// The loss, and one metric of validation.
    var series: [Series] = []
  }
  var run: Int
  var pipeline: String
  var file: String
  /// running, done, failed, waited too long, interrupted; `died` if it says that it runs and nobody runs it.
  var state: String
  var pid: Int32
  var host: String
  var started: Date
  /// Absent if nobody wrote down when it ended.
  var seconds: Double?
  /// How many stages it is to bring to an end.
  var planned: Int?
  /// Of one that goes on: until its end, by the progress of what is running and what the rest took before.
  var secondsLeft: Double?
  /// Stages to come, or running, of which nobody can tell, so that `secondsLeft` is without them.
  var unknown = 0
  var stages: [Stage]
  /// Of a run that goes on where another one was cut off.
  var recovery: Recovery?
  /// Of a run that was cut off: the one that goes on with it, or what is going to start that.
  var continuedBy: Int?
  var restart: Restart?

  var isOver: Bool { state != "running" }
  func count(_ state: StageRecord.State) -> Int { stages.count { $0.state == state.rawValue } }
  var counts: [(state: StageRecord.State, count: Int)] {
    [.ran, .cached, .failed, .skipped, .interrupted].map { ($0, count($0)) }
  }
}

extension RunSnapshot.Stage.Series {
  init(_ name: String, _ all: [Double]) {
    self.name = name
    last = all.last.flatMap { $0.isFinite ? $0 : nil }
    let bins = min(all.count, Self.width)
    values = (0..<bins).map { bin in
      let part = all[all.count * bin / bins..<all.count * (bin + 1) / bins].filter(\.isFinite)
      return part.isEmpty ? nil : mean(ofFinite: part)
    }
  }

  /// One character a value, from the least to the largest.
  var sparkline: String {
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
