/// Makes things ahead of their use: the next batch while the model computes this one.
import Foundation
import Tensors

/// Calls `use` with what `make` gives for 0, 1, … below `count`, in this order. `make` runs on a thread of its own, at
/// most `ahead` elements further than `use`, so that no more are held at once. With 0, or of a single element, there is
/// nothing to make ahead, and no thread. Throws what either throws, `make`'s error when its element's turn has come.
func lookingAhead<Element>(
  _ count: Int, by ahead: Int = 2, make: (Int) throws -> Element, use: (Element) throws -> Void
) throws {
  guard count > 1, ahead > 0 else {
    for index in 0..<count { try use(try make(index)) }
    return
  }
  try withoutActuallyEscaping(make) { make in
    let belt = Belt<Element>(length: ahead)
    let maker = Maker(belt: belt, count: count, make: make)
    let thread = Thread { maker.run() }
    thread.name = "retort-look-ahead"
    thread.stackSize = 8 << 20
    thread.start()
    defer { belt.stop() }
    for _ in 0..<count { try use(try Profile.measure(.waiting) { try belt.take() }) }
  }
}

/// `@unchecked`: only its own thread uses `make`, and `lookingAhead` returns after that has ended.
private final class Maker<Element>: @unchecked Sendable {
  private let belt: Belt<Element>
  private let count: Int
  /// Gone when the thread ends: it must not outlive `lookingAhead`.
  private var make: ((Int) throws -> Element)?

  init(belt: Belt<Element>, count: Int, make: @escaping (Int) throws -> Element) {
    self.belt = belt
    self.count = count
    self.make = make
  }

  func run() {
    if let profile = Profile.active { profile.beside(makeAll) } else { makeAll() }
    make = nil
    belt.end()
  }

  /// Its own function, so that `make` is released when it returns.
  private func makeAll() {
    guard let make else { return }
    for index in 0..<count {
      guard belt.hasRoom() else { return }
      let made = Result { try make(index) }
      belt.put(made)
      if case .failure = made { return }
    }
  }
}

/// What is made and not yet used. `@unchecked`: every `var` is touched under `condition` only, and an element belongs to
/// one thread after the other.
private final class Belt<Element>: @unchecked Sendable {
  private let condition = NSCondition()
  private let length: Int
  private var elements: [Result<Element, any Error>] = []
  private var isStopped = false
  private var hasEnded = false

  init(length: Int) { self.length = length }

  /// Waits until an element fits; false once nobody will take one.
  func hasRoom() -> Bool {
    condition.withLock {
      while elements.count >= length, !isStopped { condition.wait() }
      return !isStopped
    }
  }

  func put(_ element: Result<Element, any Error>) {
    condition.withLock {
      elements.append(element)
      condition.broadcast()
    }
  }

  func end() {
    condition.withLock {
      hasEnded = true
      condition.broadcast()
    }
  }

  /// The next element. A maker ends early only after a failure, which the one before it has thrown.
  func take() throws -> Element {
    try condition.withLock {
      while elements.isEmpty { condition.wait() }
      defer { condition.broadcast() }
      return elements.removeFirst()
    }.get()
  }

  /// Lets the maker end, and returns when it has.
  func stop() {
    condition.withLock {
      isStopped = true
      condition.broadcast()
      while !hasEnded { condition.wait() }
      elements = []
    }
  }
}
