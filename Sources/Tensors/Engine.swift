/// What computations run on: a pool of threads and an allocator.
import COpenBLAS

package final class Engine: Sendable {
  package let allocator = Allocator()
  private let pool: ComputePool

  /// Number of threads that compute, the calling one included.
  package var threads: Int { pool.width }

  package init(threads: Int) {
    _ = Self.blasOnOneThread
    pool = ComputePool(width: max(1, threads))
  }

  /// Calls `body(piece, worker)` once for every piece, on all threads, and returns when all are done.
  /// Pieces must write disjoint memory. Their number and extent must follow from shapes alone, never from `threads`:
  /// then no result depends on which worker, below `threads`, took which piece.
  package func parallel(_ pieces: Int, _ body: (_ piece: Int, _ worker: Int) -> Void) {
    pool.run(pieces, body)
  }

  /// OpenBLAS, left to itself, splits sums by thread; we call it on fixed pieces from our own threads instead.
  private static let blasOnOneThread: Void = openblas_set_num_threads(1)
}
