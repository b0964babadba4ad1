/// Threads that compute pieces of an operation: ours, so that long C calls never block Swift's cooperative pool.
import CKernels
import Foundation
import Synchronization

final class ComputePool: Sendable {
  /// Workers, the calling thread included; it is worker 0.
  let width: Int
  private let board = Board()

  init(width: Int) {
    self.width = width
    for worker in 1..<width {
      let thread = Thread { [board] in board.serve(worker) }
      thread.name = "retort-compute-\(worker)"
      thread.start()
    }
  }

  deinit { board.close() }

  func run(_ pieces: Int, _ body: (Int, Int) -> Void) {
    guard width > 1, pieces > 1 else {
      for piece in 0..<pieces { body(piece, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      let job = Job(pieces: pieces, body: body)
      board.post(job)
      job.work(0)
      board.finish()
    }
  }
}

/// `@unchecked`: `body` is only called, and `CPU.parallel` asks that calls for different pieces do not interfere.
private final class Job: @unchecked Sendable {
  private let pieces: Int
  private let body: (Int, Int) -> Void
  private let next = Atomic(0)

  init(pieces: Int, body: @escaping (Int, Int) -> Void) {
    self.pieces = pieces
    self.body = body
  }

  func work(_ worker: Int) {
    while true {
      let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard piece < pieces else { return }
      body(piece, worker)
    }
  }
}

/// Turns of waiting for the next job, or for the last worker, before a thread sleeps: some 50 µs, about what waking it
/// would cost. Operations of a step follow one another within that; after it, others have the core.
private let turnsBeforeSleep = 1500

/// Where a job is posted and workers join it. `@unchecked`: every `var` is touched under `condition` only.
private final class Board: @unchecked Sendable {
  private let condition = NSCondition()
  private var job: Job?
  private var isTaken = false
  private var closed = false
  /// Of jobs, and of workers that are at one: changed under `condition`, and looked at without it.
  private let generation = Atomic(0)
  private let working = Atomic(0)

  /// Waits until the board is free, then posts.
  func post(_ job: Job) {
    condition.withLock {
      while isTaken { condition.wait() }
      isTaken = true
      self.job = job
      generation.wrappingAdd(1, ordering: .releasing)
      condition.broadcast()
    }
  }

  /// Takes the job off, so that nobody joins it any more, and returns when every worker has let go of it. A worker that
  /// has not woken by then is not waited for.
  func finish() {
    condition.withLock { job = nil }
    spin { working.load(ordering: .acquiring) > 0 }
    condition.withLock {
      while working.load(ordering: .acquiring) > 0 { condition.wait() }
      isTaken = false
      condition.broadcast()
    }
  }

  func close() {
    condition.withLock {
      closed = true
      generation.wrappingAdd(1, ordering: .releasing)
      condition.broadcast()
    }
  }

  func serve(_ worker: Int) {
    var seen = 0
    while workOnce(worker, after: &seen) {
      condition.withLock {
        if working.wrappingSubtract(1, ordering: .releasing).newValue == 0 { condition.broadcast() }
      }
    }
  }

  /// Its own function, so that the job is released before the worker says that it is done. False once closed.
  private func workOnce(_ worker: Int, after seen: inout Int) -> Bool {
    while true {
      let before = seen
      spin { generation.load(ordering: .acquiring) == before }
      condition.lock()
      while generation.load(ordering: .acquiring) == before { condition.wait() }
      seen = generation.load(ordering: .relaxed)
      let (job, isClosed) = (self.job, closed)
      if job != nil { working.wrappingAdd(1, ordering: .relaxed) }
      condition.unlock()
      if let job {
        job.work(worker)
        return true
      }
      if isClosed { return false }
    }
  }

  @inline(__always)
  private func spin(while isWaiting: () -> Bool) {
    var turns = 0
    while turns < turnsBeforeSleep, isWaiting() {
      retort_spin()
      turns += 1
    }
  }
}
