/// What computations run on: a pool of threads and an allocator.
import CKernels

package final class Engine: Sendable {
  package let allocator = Allocator()
  /// Of the products with models' weights.
  package let precision: Precision
  private let pool: ComputePool

  /// Number of threads that compute, the calling one included.
  package var threads: Int { pool.width }

  package init(threads: Int, precision: Precision = .fp32) {
    self.precision = precision
    pool = ComputePool(width: max(1, threads))
  }

  /// Calls `body(piece, worker)` once for every piece, on all threads, and returns when all are done.
  /// Pieces must write disjoint memory, and the bits of an element must not depend on the piece that it is in: then no
  /// result depends on how many workers there are, and which took which piece.
  package func parallel(_ pieces: Int, _ body: (_ piece: Int, _ worker: Int) -> Void) {
    pool.run(pieces, body)
  }
}

extension Engine {
  /// Floats that a thread needs for attention over a sequence, in heads `width` wide.
  package static func attentionScratch(tokens: Int, width: Int) -> Int { retort_attention_scratch(tokens, width) }
}
