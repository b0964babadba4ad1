/// Messages from any thread for one reader, who takes all that have come at once.
import Synchronization

final class Inbox<Message: Sendable>: Sendable {
  private let messages = Mutex<[Message]>([])
  private let arrivals: AsyncStream<Void>
  private let arrived: AsyncStream<Void>.Continuation

  init() { (arrivals, arrived) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  func put(_ message: Message) {
    messages.withLock { $0.append(message) }
    arrived.yield()
  }

  /// Waits for at least one; empty only if an arrival was already taken along with an earlier one.
  func take() async -> [Message] {
    for await _ in arrivals { break }
    return messages.withLock { messages in
      defer { messages = [] }
      return messages
    }
  }
}
