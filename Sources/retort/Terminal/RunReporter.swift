/// Shows a run while it happens: lines for people, or JSON lines for programs.
import Foundation
import Hub
import Pipelines
import Reports
import Scheduling

protocol RunReporter: AnyObject {
  func report(_ event: RunEvent) throws
}

/// On a terminal one line of progress a running stage, below the lines that stay; elsewhere only lines that stay.
final class TextReporter: RunReporter {
  private let plan: Plan
  private let store: URL
  private let live: Bool
  private let colour: Bool
  private let start = ContinuousClock.now
  private var began: [StageID: ContinuousClock.Instant] = [:]
  private var progress: [StageID: String] = [:]
  /// Where what a stage counts now began: what was done by then, by an earlier attempt perhaps.
  private var counts: [StageID: (done: Int, total: Int, at: ContinuousClock.Instant)] = [:]
  private var shownLines = 0
  private var lastProgress: [StageID: ContinuousClock.Instant] = [:]
  /// Each with the number of lines that had been said when it was.
  private var warnings: [(text: String, line: Int)] = []
  private var saidLines = 0
  private var failures: FailureSummary

  init(_ plan: Plan, store: URL, live: Bool) {
    self.plan = plan
    self.store = store
    self.live = live
    failures = FailureSummary(plan)
    colour = live && Terminal.hasColour
  }

  func report(_ event: RunEvent) {
    // Of what was done before there may be thousands at once.
    defer { if case .moved(_, .cached) = event {} else { Terminal.flush() } }
    switch event {
    case .began(let run): line("run \(run) of \(plan.name), store \(store.path)")
    case .moved(let id, let state): moved(id, to: state)
    case .reported(let id, .log(let message)): line(named(id, message))
    case .reported(let id, .warning(let message)): warn(named(id, message))
    case .reported(_, .metric), .reported(_, .resumed): break
    case .reported(let id, .profile(let profile)):
      line("[\(plan[id].name)] where \(formatted(seconds: profile.seconds)) went:\n\(profile.table)")
    case .reported(let id, .progress(let done, let total, let detail)): advance(id, done, total, detail)
    case .downloads(let id, let download): advance(id, download)
    case .reported(let id, .verdict(let verdict)): line("[\(plan[id].name)] \(verdict.sentence)")
    case .waits(let id, let holder): line("[\(plan[id].name)] waits for \(holder)")
    case .failed(let id, let failure):
      failures.failed(id, failure)
      line(StyledLine("[\(plan[id].name)] ") + StyledLine("failed: \(failure)", 31, keepsLines: true))
    case .warning(let id, let message): warn((id.map { "[\(plan[$0].name)] " } ?? "") + message)
    case .published(let id, let url): line("[\(plan[id].name)] published to \(url.path)")
    case .ended(let summary): end(summary)
    }
  }

  private func moved(_ id: StageID, to state: StageState) {
    let name = plan[id].name
    failures.moved(id, to: state)
    switch state {
    case .waiting, .resolving, .ready, .publishing: break
    case .running(let attempt):
      began[id] = .now
      progress[id] = ""
      counts[id] = nil
      line("[\(name)] " + (attempt == 1 ? "runs" : "runs again, attempt \(attempt)"))
    case .backingOff(let attempt): line("[\(name)] will be tried again as attempt \(attempt)")
    case .ran: finish(id, "done in \(seconds(since: began[id] ?? start))")
    case .cached: finish(id, "cached")
    case .failed: finish(id, nil)
    case .skipped: finish(id, "skipped: \(failures.cause(id))")
    case .interrupted: finish(id, "interrupted")
    }
  }

  private func finish(_ id: StageID, _ what: String?) {
    progress[id] = nil
    if let what { line("[\(plan[id].name)] \(what)") }
  }

  private func advance(_ id: StageID, _ done: Int, _ total: Int, _ detail: String) {
    var first = counts[id] ?? (done, total, .now)
    if total != first.total || done < first.done { first = (done, total, .now) }
    counts[id] = first
    let each = done > first.done ? (ContinuousClock.now - first.at).seconds / Double(done - first.done) : nil
    let left = each.map { "  \(formatted(seconds: $0 * Double(total - done))) left" } ?? ""
    tell(id, "\(done)/\(total)  \(detail)\(left)")
  }

  /// The stage's own time begins when what it needs is there.
  private func advance(_ id: StageID, _ download: HubProgress) {
    if lastProgress[id] == nil { lastProgress[id] = began[id] ?? .now }
    tell(id, download.line)
    began[id] = .now
  }

  private func tell(_ id: StageID, _ text: String) {
    progress[id] = text
    if live {
      redraw()
    } else if ContinuousClock.now - (lastProgress[id] ?? began[id] ?? start) > .seconds(10) {
      lastProgress[id] = .now
      line("[\(plan[id].name)] \(text)")
    }
  }

  private func end(_ summary: RunSummary) {
    progress = [:]
    // What is still to be seen, or is in the file that the lines go to, is not said again.
    let rows = live ? Screen.current.rows : .max
    for warning in warnings where saidLines - warning.line >= rows { line("warning: \(warning.text)") }
    failures.lines(run: summary.run).forEach(line)
    let counts = [("ran", summary.ran), ("cached", summary.cached), ("failed", summary.failed)]
    let skipped = summary.skipped > 0 ? ", \(summary.skipped) skipped" : ""
    line(
      "run \(summary.run) \(summary.outcome.rawValue): "
        + counts.map { "\($0.1) \($0.0)" }.joined(separator: ", ") + skipped + ", \(seconds(since: start))")
  }

  /// A stage's line under its name, which many stages begin their lines with themselves.
  private func named(_ id: StageID, _ message: String) -> String {
    let name = "[\(plan[id].name)] "
    return message.hasPrefix(name) ? message : name + message
  }

  private func warn(_ message: String) {
    // Each once a run, though several attempts or stages come upon it.
    guard !warnings.contains(where: { $0.text == message }) else { return }
    warnings.append((message, saidLines))
    line(StyledLine("warning: ", 33) + StyledLine(message, keepsLines: true))
  }

  private func line(_ text: String) { line(StyledLine(text, keepsLines: true)) }

  private func line(_ line: StyledLine) {
    erase()
    Terminal.say(line, colour: colour)
    saidLines += 1
    draw()
  }

  private func redraw() {
    erase()
    draw()
  }

  private func erase() {
    if live && shownLines > 0 { Terminal.control("\u{1B}[\(shownLines)A\u{1B}[J") }
    shownLines = 0
  }

  private func draw() {
    guard live else { return }
    for (id, text) in progress.sorted(by: { $0.key < $1.key }) where !text.isEmpty {
      // One line must stay one line, or erasing would miss it.
      Terminal.say(StyledLine("  \(plan[id].name)  \(text)"), columns: Screen.current.columns)
      shownLines += 1
    }
  }

  private func seconds(since start: ContinuousClock.Instant) -> String {
    formatted(seconds: (ContinuousClock.now - start).seconds)
  }
}

/// One JSON object a line: `{"event": …, "stage": …}`; see the README's list.
final class JSONReporter: RunReporter {
  private let plan: Plan

  init(_ plan: Plan) { self.plan = plan }

  private struct Line: Encodable {
    var event: String
    var stage: String?
    var state: String?
    var attempt: Int?
    var run: Int?
    var message: String?
    var name: String?
    var value: Double?
    var step: Int?
    var done: Int?
    var total: Int?
    var path: String?
    var counts: [String: Int]?
    var profile: StageProfile?
    var verdict: Verdict?
    /// Since the program's start.
    var seconds: Double?
  }

  func report(_ event: RunEvent) throws {
    func name(_ id: StageID) -> String { plan[id].name }
    let line: Line? =
      switch event {
      case .began(let run): Line(event: "began", run: run)
      case .moved(_, .waiting), .moved(_, .resolving), .moved(_, .ready), .moved(_, .publishing): nil
      case .moved(let id, .running(let attempt)):
        Line(event: "stage", stage: name(id), state: "running", attempt: attempt)
      case .moved(let id, .backingOff(let attempt)):
        Line(event: "stage", stage: name(id), state: "backing off", attempt: attempt)
      case .moved(let id, let state): Line(event: "stage", stage: name(id), state: "\(state)")
      case .reported(let id, .log(let text)): Line(event: "log", stage: name(id), message: text)
      case .reported(let id, .warning(let text)): Line(event: "warning", stage: name(id), message: text)
      case .reported(let id, .metric(let metric, let value, let step)):
        Line(event: "metric", stage: name(id), name: metric, value: value.isFinite ? value : nil, step: step)
      case .reported(let id, .progress(let done, let total, let detail)):
        Line(event: "progress", stage: name(id), message: detail, done: done, total: total)
      case .reported(let id, .resumed(let step)): Line(event: "resumed", stage: name(id), step: step)
      case .reported(let id, .profile(let profile)): Line(event: "profile", stage: name(id), profile: profile)
      case .reported(let id, .verdict(let verdict)):
        Line(event: "verdict", stage: name(id), message: verdict.sentence, verdict: verdict)
      case .downloads(let id, let download):
        Line(event: "download", stage: name(id), message: download.model, done: download.done, total: download.total)
      case .waits(let id, let holder): Line(event: "waits", stage: name(id), message: "\(holder)")
      case .failed(let id, let failure): Line(event: "failed", stage: name(id), message: failure.description)
      case .warning(let id, let text): Line(event: "warning", stage: id.map(name), message: text)
      case .published(let id, let url): Line(event: "published", stage: name(id), path: url.path)
      case .ended(let summary):
        Line(
          event: "ended", state: summary.outcome.rawValue, run: summary.run,
          counts: [
            "ran": summary.ran, "cached": summary.cached, "failed": summary.failed, "skipped": summary.skipped,
          ], seconds: (ContinuousClock.now - Retort.start).seconds.toMilliseconds)
      }
    guard let line else { return }
    // A run goes on when nobody reads of it any more; how it ends tells what was lost.
    do { try printJSON(line, pretty: false) } catch is OutputLost {}
    if case .moved(_, .cached) = event {} else { Terminal.flush() }
  }
}
