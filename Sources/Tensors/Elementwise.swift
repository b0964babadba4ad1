/// Passes over whole tensors, in blocks that all threads share.

extension Engine {
  /// to += x
  func add(_ x: Tensor, to: Tensor) {
    precondition(x.count == to.count, "add \(x.shape) to \(to.shape)")
    let (source, target, kernels) = (x.floats, to.floats, Kernels.active.table)
    blocks(of: x.count, size: 1 << 15) { start, count in kernels.pointee.add(source + start, target + start, count) }
  }

  /// Calls `body(start, count)` for consecutive blocks of `size`, the last one shorter.
  func blocks(of total: Int, size: Int, _ body: (_ start: Int, _ count: Int) -> Void) {
    blocks(of: total, size: size) { start, count, _ in body(start, count) }
  }

  func blocks(of total: Int, size: Int, _ body: (_ start: Int, _ count: Int, _ worker: Int) -> Void) {
    parallel((total + size - 1) / size) { piece, worker in
      body(piece * size, min(size, total - piece * size), worker)
    }
  }
}
