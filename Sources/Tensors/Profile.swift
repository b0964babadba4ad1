/// Where a stage's time goes, by operation: wall time in the thread that computes, so that the pool's threads count once.
import Basics
import Foundation
import Synchronization

/// What time is spent on. What happens inside `loading`, `validation`, `saving` and `rehearsal` counts as these.
package enum ProfiledOperation: String, Sendable, CaseIterable {
  case loading, tokenizing
  case batchMaking = "batch making"
  /// For a batch that another thread has not finished.
  case waiting = "waiting for a batch"
  case embedding
  case linearForward = "linear forward"
  case linearBackward = "linear backward"
  case weightGradient = "weight gradient"
  case attentionForward = "attention forward"
  case attentionBackward = "attention backward"
  case norm, activation, rotation, sum, dropout, pooling
  case tokenScores = "token scores"
  case loss, optimizer, validation, saving
  /// A pass that computes nothing, to know what memory it takes.
  case rehearsal

  fileprivate var isWhole: Bool { [.loading, .validation, .saving, .rehearsal].contains(self) }
}

package final class Profile: Sendable {
  package struct Entry: Sendable, Equatable {
    package var calls = 0
    /// In the thread that computes, without the operations inside.
    package var seconds = 0.0
    /// In threads that work ahead of it.
    package var secondsBeside = 0.0
    /// Floating-point operations, and bytes read and written at least; 0 where nobody counts them.
    package var flops = 0
    package var bytes = 0
  }

  private struct Frame {
    var isWhole: Bool
    var secondsInside = 0.0
  }
  private struct State: Sendable {
    var entries: [ProfiledOperation: Entry] = [:]
    /// Operations under way, by thread.
    var frames: [UInt: [Frame]] = [:]
    var threadsBeside: Set<UInt> = []
  }
  private let state = Mutex(State())
  /// Seconds since any fixed moment.
  private let clock: @Sendable () -> Double
  private let start: Double

  package init(clock: @escaping @Sendable () -> Double = Profile.uptime) {
    self.clock = clock
    start = clock()
  }

  /// Since the profile was made.
  package var seconds: Double { clock() - start }
  package var entries: [ProfiledOperation: Entry] { state.withLock { $0.entries } }

  /// Counts what the calling thread does in `body` as work that does not hold up the one that computes. Afterwards it is
  /// a thread like others: when it ends, another may get its number.
  package func beside<T>(_ body: () throws -> T) rethrows -> T {
    let thread = Self.thread
    state.withLock { _ = $0.threadsBeside.insert(thread) }
    defer { state.withLock { _ = $0.threadsBeside.remove(thread) } }
    return try body()
  }

  package func measure<T, E: Error>(
    _ operation: ProfiledOperation, flops: Int = 0, bytes: Int = 0, _ body: () throws(E) -> T
  ) throws(E) -> T {
    let thread = Self.thread
    let isCounted = state.withLock { state in
      guard state.frames[thread]?.last?.isWhole != true else { return false }
      state.frames[thread, default: []].append(Frame(isWhole: operation.isWhole))
      return true
    }
    guard isCounted else { return try body() }
    let begin = clock()
    defer {
      let elapsed = clock() - begin
      state.withLock { state in
        let inside = state.frames[thread]?.popLast()?.secondsInside ?? 0
        if let outer = state.frames[thread]?.indices.last { state.frames[thread]?[outer].secondsInside += elapsed }
        var entry = state.entries[operation] ?? Entry()
        entry.calls += 1
        if state.threadsBeside.contains(thread) {
          entry.secondsBeside += elapsed - inside
        } else {
          entry.seconds += elapsed - inside
        }
        entry.flops += flops
        entry.bytes += bytes
        state.entries[operation] = entry
      }
    }
    return try body()
  }

  private static var thread: UInt {
    #if os(Linux)
      pthread_self()
    #else
      UInt(bitPattern: pthread_self())
    #endif
  }

  package static let uptime: @Sendable () -> Double = { (ContinuousClock.now - origin).seconds }
  private static let origin = ContinuousClock.now
}

// MARK: - The process's profile

extension Profile {
  /// A process that runs one stage has one profile, or none.
  private static let isOn = Atomic(false)
  private static let shared = Mutex<Profile?>(nil)

  package static var active: Profile? { isOn.load(ordering: .acquiring) ? shared.withLock { $0 } : nil }

  package static func begin() {
    shared.withLock { $0 = Profile() }
    isOn.store(true, ordering: .releasing)
  }

  package static func end() -> Profile? {
    isOn.store(false, ordering: .releasing)
    return shared.withLock { $0.take() }
  }

  /// Runs `body`, and counts its time where the process has a profile. Off, it costs one load.
  @inline(__always)
  package static func measure<T, E: Error>(
    _ operation: ProfiledOperation, flops: Int = 0, bytes: Int = 0, _ body: () throws(E) -> T
  ) throws(E) -> T {
    guard let profile = active else { return try body() }
    return try profile.measure(operation, flops: flops, bytes: bytes, body)
  }
}
