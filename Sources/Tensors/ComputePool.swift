/// Threads that compute pieces of an operation: ours, so that long C calls never block Swift's cooperative pool.
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
      board.post(job, to: width - 1)
      job.work(0)
      board.waitUntilDone()
    }
  }
}

/// `@unchecked`: `body` is only called, and `Engine.parallel` asks that calls for different pieces do not interfere.
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

/// Where a job is posted and its workers report. `@unchecked`: every `var` is touched under `condition` only.
private final class Board: @unchecked Sendable {
  private let condition = NSCondition()
  private var job: Job?
  private var generation = 0
  private var working = 0
  private var closed = false

  /// Waits until the board is free, then posts.
  func post(_ job: Job, to workers: Int) {
    condition.withLock {
      while self.job != nil { condition.wait() }
      self.job = job
      working = workers
      generation += 1
      condition.broadcast()
    }
  }

  /// Returns when every worker has let go of the job.
  func waitUntilDone() {
    condition.withLock {
      while working > 0 { condition.wait() }
      job = nil
      condition.broadcast()
    }
  }

  func close() {
    condition.withLock {
      closed = true
      condition.broadcast()
    }
  }

  func serve(_ worker: Int) {
    var seen = 0
    while workOnce(worker, after: &seen) {
      condition.withLock {
        working -= 1
        if working == 0 { condition.broadcast() }
      }
    }
  }

  /// Its own function, so that the job is released before the worker reports. False once the pool is closed.
  private func workOnce(_ worker: Int, after seen: inout Int) -> Bool {
    let job: Job? = condition.withLock {
      while generation == seen, !closed { condition.wait() }
      seen = generation
      return closed ? nil : self.job
    }
    job?.work(worker)
    return job != nil
  }
}
