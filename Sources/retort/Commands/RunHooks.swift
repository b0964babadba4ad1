/// What happens around a run besides it: telling its number to whoever started it, OpenLineage events, `--notify`.
import Artifacts
import Foundation
import Lineage
import Pipelines
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
      let ended = try await startNotification(notify).end(killGroup: false)
      if ended != .exit(0) { warn("the command of --notify ended with \(ended)") }
    } catch {
      warn("the command of --notify did not run: \(error)")
    }
  }

  private func startNotification(_ command: String) throws -> ChildProcess {
    let facts = [
      "RETORT_RUN": run.map(String.init) ?? "",
      "RETORT_OUTCOME": (summary?.outcome ?? .failed).rawValue,
      "RETORT_PIPELINE": pipeline,
      "RETORT_RAN": "\(summary?.ran ?? 0)",
      "RETORT_CACHED": "\(summary?.cached ?? 0)",
      "RETORT_FAILED": "\(summary?.failed ?? 0)",
    ]
    let input = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC))
    // What it prints must not mix with `--json`.
    return try ChildProcess(
      "/bin/bash", ["-c", command], environment: ProcessInfo.processInfo.environment.merging(facts) { $1 },
      descriptors: [input.raw, STDERR_FILENO, STDERR_FILENO], newSession: false)
  }

  private func warn(_ text: String) { Terminal.complain("warning: \(text)") }
}
