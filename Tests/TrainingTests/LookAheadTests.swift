/// The belt between who makes batches and who uses them.
import Foundation
import Synchronization
import Testing

@testable import Training

struct LookAheadTests {
  private struct Failed: Error, Equatable { var index: Int }

  @Test(arguments: [0, 1, 2, 7, 500])
  func `elements come in order, each once`(count: Int) throws {
    var used: [Int] = []
    try lookingAhead(count, make: { $0 * $0 }, use: { used.append($0) })
    #expect(used == (0..<count).map { $0 * $0 })
  }

  @Test func `no more are made ahead than asked for`() throws {
    let made = Mutex(0)
    var used = 0
    try lookingAhead(100, by: 3) { index in
      made.withLock { $0 = index + 1 }
    } use: { _ in
      // Three on the belt, and what this one was.
      #expect(made.withLock { $0 } <= used + 4)
      used += 1
    }
    #expect(used == 100)
  }

  @Test func `an error in making is thrown after what was made before it`() {
    var used: [Int] = []
    let error = #expect(throws: Failed.self) {
      try lookingAhead(10, make: { if $0 == 4 { throw Failed(index: 4) } else { $0 } }, use: { used.append($0) })
    }
    #expect(error == Failed(index: 4))
    #expect(used == [0, 1, 2, 3])
  }

  @Test func `an error in using ends the making`() {
    let made = Mutex(0)
    let error = #expect(throws: Failed.self) {
      try lookingAhead(1_000_000) { _ in
        made.withLock { $0 += 1 }
      } use: { _ in
        throw Failed(index: 0)
      }
    }
    #expect(error == Failed(index: 0))
    let count = made.withLock { $0 }
    #expect(count <= 4)
  }

  @Test func `of a single element there is no other thread`() throws {
    var made: Thread?
    try lookingAhead(1, make: { _ in made = .current }, use: { _ in })
    #expect(made === Thread.current)
  }
}
