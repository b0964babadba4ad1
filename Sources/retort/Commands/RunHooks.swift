/// What happens around a run besides it: telling its number to whoever started it, OpenLineage events, `--notify`.
import Artifacts
import Foundation
import Lineage
import Pipelines
import Processes
import Scheduling

final class RunHooks {
  private let pipeline: String
  private let announce: Int32?
  private let notify: String?
  private let emitter: OpenLineageEmitter?
  private var run: Int?
  private var summary: RunSummary?

  /// - Parameters:
  ///   - announce: a descriptor that gets the run's number in a line, and is closed.
  ///   - notify: a command for bash.
  init(pipeline: String, announce: Int32?, notify: String?, emitter: OpenLineageEmitter?) {
    self.pipeline = pipeline
    self.announce = announce
    self.notify = notify
    self.emitter = emitter
  }

  func see(_ event: RunEvent) throws {
    switch event {
    case .began(let run):
      self.run = run
      if let announce {
        try FileHandle(fileDescriptor: announce, closeOnDealloc: true).write(contentsOf: Data("\(run)\n".utf8))
      }
    case .ended(let summary): self.summary = summary
    default: break
    }
  }

  /// The run is over, well or not. What goes wrong here is told and changes nothing.
  func end() async {
    if let problem = await emitter?.finish(at: Date()) { warn(problem) }
    guard let notify else { return }
    do {
      let ended = try await RunNotification(
        run: run, outcome: summary?.outcome ?? .failed, pipeline: pipeline, ran: summary?.ran ?? 0,
        cached: summary?.cached ?? 0, failed: summary?.failed ?? 0
      ).give(by: notify, environment: ProcessInfo.processInfo.environment, output: STDERR_FILENO)
      if ended != .exit(0) { warn("the command of --notify ended with \(ended)") }
    } catch {
      warn("the command of --notify did not run: \(error)")
    }
  }

  private func warn(_ text: String) { Terminal.complain("warning: \(text)") }
}

/// What the command of `--notify` is told of a run that is over.
struct RunNotification {
  let run: Int?
  let outcome: RunOutcome
  let pipeline: String
  let ran, cached, failed: Int

  /// - Parameter output: takes what it prints, which must not mix with `--json`; `nil`: nobody does.
  func give(
    by command: String, environment: [String: String], folder: URL? = nil, output: Int32?
  ) async throws -> ProcessEnd {
    let facts = [
      "RETORT_RUN": run.map(String.init) ?? "", "RETORT_OUTCOME": outcome.rawValue, "RETORT_PIPELINE": pipeline,
      "RETORT_RAN": "\(ran)", "RETORT_CACHED": "\(cached)", "RETORT_FAILED": "\(failed)",
    ]
    return try await ChildProcess(
      "/bin/bash", ["-c", command], environment: environment.merging(facts) { $1 }, folder: folder,
      descriptors: [nil, output, output], newSession: false
    ).end(killGroup: false)
  }
}
