/// Where a profile puts time, by a clock that moves only when a test says so.
import Foundation
import Synchronization
import Testing

@testable import CPU
@testable import Tensors

private final class HandClock: Sendable {
  private let time = Mutex(0.0)
  func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
  var now: Double { time.withLock { $0 } }
}

struct ProfileTests {
  private let clock = HandClock()

  private func profile() -> Profile { Profile { [clock] in clock.now } }

  @Test func `an operation's time is without that of the operations inside`() {
    let profile = profile()
    for _ in 0..<2 {
      profile.measure(.linearBackward, flops: 100) {
        clock.advance(1)
        profile.measure(.weightGradient, flops: 10, bytes: 7) { clock.advance(4) }
        clock.advance(0.5)
      }
    }
    clock.advance(1)
    let entries = profile.entries
    #expect(entries[.linearBackward] == Profile.Entry(calls: 2, seconds: 3, flops: 200))
    #expect(entries[.weightGradient] == Profile.Entry(calls: 2, seconds: 8, flops: 20, bytes: 14))
    #expect(profile.seconds == 12 && entries.count == 2)
  }

  @Test func `validation takes all that happens in it`() {
    let profile = profile()
    profile.measure(.validation) {
      clock.advance(1)
      profile.measure(.linearForward) {
        clock.advance(2)
        profile.measure(.norm) { clock.advance(4) }
      }
    }
    #expect(profile.entries == [.validation: Profile.Entry(calls: 1, seconds: 7)])
  }

  @Test func `a body that throws is counted, and what follows is not inside it`() {
    let profile = profile()
    struct Failed: Error {}
    #expect(throws: Failed.self) {
      try profile.measure(.loading) {
        clock.advance(1)
        throw Failed()
      }
    }
    profile.measure(.norm) { clock.advance(2) }
    #expect(profile.entries[.loading]?.seconds == 1 && profile.entries[.norm]?.seconds == 2)
  }

  @Test func `threads that work ahead are counted beside`() async {
    let profile = profile()
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { [clock] in
        profile.beside { profile.measure(.tokenizing) { clock.advance(3) } }
        profile.measure(.norm) { clock.advance(2) }
        continuation.resume()
      }
    }
    profile.measure(.tokenizing) { clock.advance(1) }
    #expect(
      profile.entries == [
        .tokenizing: Profile.Entry(calls: 2, seconds: 1, secondsBeside: 3), .norm: Profile.Entry(calls: 1, seconds: 2),
      ])
  }
}
