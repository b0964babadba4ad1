/// What a running stage may use besides its ports and parameters: resources, a scratch folder, and a place to report to.
import Foundation

package struct StageContext: Sendable {
  package let compute: Compute
  /// A folder of the stage's own, kept until it succeeds; for temporary files and checkpoints.
  package let scratch: URL
  /// Outputs of the same function over other records, by port, the newest first, where an input is declared
  /// `records: true`.
  package let earlier: [[String: EarlierOutput]]
  /// Where a stage that trains leaves its state and finds it again; absent: it runs from its beginning to its end.
  package let keeper: (any StateKeeper)?
  /// Whether the process does nothing but the stage: then all that it has in memory counts.
  package let ownsProcess: Bool
  /// Ends a training after its first steps, where no more than their times are wanted.
  private let probe: StepProbe?
  private let report: @Sendable (StageEvent) -> Void

  package init(
    _ compute: Compute, scratch: URL, earlier: [[String: EarlierOutput]] = [],
    keeper: (any StateKeeper)? = nil, ownsProcess: Bool = false, probe: StepProbe? = nil,
    report: @escaping @Sendable (StageEvent) -> Void
  ) {
    self.compute = compute
    self.scratch = scratch
    self.earlier = earlier
    self.keeper = keeper
    self.ownsProcess = ownsProcess
    self.probe = probe
    self.report = report
  }

  /// A line for people.
  package func log(_ message: String) { report(.log(message)) }
  /// A line for people that the run's summary repeats.
  package func warn(_ message: String) { report(.warning(message)) }
  /// A number to compare runs by. Without a step it is the stage's final value of that name.
  package func metric(_ name: String, _ value: Double, step: Int? = nil) { report(.metric(name, value, step: step)) }
  /// What a training was worth, once, at its end.
  package func judge(_ verdict: Verdict) { report(.verdict(verdict)) }
  /// How far the stage is: `done` of `total` units; `detail` is short (`loss 0.123  2,345 tokens/s`).
  package func progress(_ done: Int, of total: Int, detail: String = "") {
    report(.progress(done: done, total: total, detail: detail))
  }
  /// A training's step is done. Throws `Probed` where that was enough.
  package func stepped(_ done: Int, of total: Int) throws { try probe?.stepped(of: total) }
  /// Whether a training's first steps are all that is wanted.
  package var isProbe: Bool { probe != nil }
}

/// What a worker reports while it runs: one JSON line each in its event file.
package enum StageEvent: Sendable, Hashable, Codable {
  case log(String)
  case warning(String)
  case metric(String, Double, step: Int?)
  case progress(done: Int, total: Int, detail: String)
  /// Where its time went, once, at its end.
  case profile(StageProfile)
  case verdict(Verdict)
  /// It goes on after this step of an attempt that was cut off.
  case resumed(step: Int)
}
