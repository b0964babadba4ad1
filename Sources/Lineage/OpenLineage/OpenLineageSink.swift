/// Where OpenLineage events go: appended to a file, or posted to a URL in the background, in order. A run never waits for
/// them, and one that cannot be delivered stops nothing.
import Artifacts
import Foundation
import Processes
import Synchronization

package final class OpenLineageSink: Sendable {
  /// What delivering may still take when the run is over.
  private static let patience = Duration.seconds(10)
  private let queue: AsyncStream<Data>.Continuation
  private let delivery: Task<String?, Never>
  private let deadline: Deadline

  /// Shared with the task that delivers.
  private final class Deadline: Sendable {
    private let time = Mutex<ContinuousClock.Instant?>(nil)
    var isOver: Bool { time.withLock { $0.map { $0 < .now } ?? false } }
    func set(_ patience: Duration) { time.withLock { $0 = .now + patience } }
  }

  /// - Parameter destination: `http://…`, `https://…`, or a file's path. Throws if the file cannot be opened.
  package init(_ destination: String, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    let (events, queue) = AsyncStream<Data>.makeStream()
    self.queue = queue
    let deadline = Deadline()
    self.deadline = deadline
    let deliver: @Sendable (Data) async throws -> Void
    let mayBeLate: Bool
    if destination.hasPrefix("http://") || destination.hasPrefix("https://") {
      let endpoint = HTTPEndpoint(url: destination, environment: environment)
      deliver = { try await endpoint.post($0) }
      mayBeLate = true
    } else {
      let url = URL(filePath: destination)
      let descriptor = open(url.posixPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw FileError("write OpenLineage events to", url) }
      let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      deliver = { try file.write(contentsOf: $0 + Data("\n".utf8)) }
      mayBeLate = false
    }
    delivery = Task {
      var lost = 0
      var reason = ""
      for await event in events {
        do {
          if mayBeLate && deadline.isOver { throw Late() }
          try await deliver(event)
        } catch {
          if lost == 0 { reason = "\(error)" }
          lost += 1
        }
      }
      return lost == 0 ? nil : "\(lost) OpenLineage events were not delivered to \(destination): \(reason)"
    }
  }

  func send(_ event: Data) { queue.yield(event) }

  /// - Returns: what was not delivered and why, if anything.
  func finish() async -> String? {
    deadline.set(Self.patience)
    queue.finish()
    return await delivery.value
  }

  private struct Late: Error, CustomStringConvertible {
    var description: String { "it answers too slowly" }
  }
}

private struct HTTPEndpoint {
  let url: String
  /// `OPENLINEAGE_API_KEY`, if set, is sent as the bearer's token.
  let environment: [String: String]

  func post(_ event: Data) async throws {
    let key = environment["OPENLINEAGE_API_KEY"].map { ["Authorization: Bearer \($0)"] } ?? []
    _ = try await onOwnThread {
      try Curl.ask(
        url, ["--fail", "--max-time", "5", "--output", "/dev/null"], headers: ["Content-Type: application/json"] + key,
        body: event, environment: environment)
    }
  }
}
