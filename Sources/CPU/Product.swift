/// Products with matrices that are laid out.
import CKernels
import Tensors

/// One linear product with what is fused into it, shared by threads in pieces.
struct Product {
  private var job = retort_linear()
  private let multiplier: retort_multiplier
  // Keeps the memory that `job` points to.
  private let weights: [PackedWeight]
  private let rows: Int
  private var round: (@convention(c) (UnsafeMutablePointer<Float>?, Int) -> Void)?

  /// out [rows, w.columns] = scale·x [rows, w.depth]·w, added to what `out` holds if `accumulate`; and `low`'s product,
  /// whose layout is one of the same precision, but for int8 of fp32.
  init(
    _ rows: Int, _ x: UnsafePointer<Float>, _ w: PackedWeight, scale: Float = 1, into out: UnsafeMutablePointer<Float>,
    accumulate: Bool = false, low: (values: UnsafePointer<Float>, w: PackedWeight, scale: Float)? = nil
  ) {
    self.rows = rows
    multiplier = w.multiplier
    weights = [w] + (low.map { [$0.w] } ?? [])
    job.x = x
    job.stride = w.depth
    job.w = w.packed
    job.scale = scale
    job.out = out
    job.out_stride = w.columns
    job.accumulate = accumulate ? 1 : 0
    if let low {
      precondition(low.w.columns == w.columns, "the low-rank product joins a tile")
      job.low = low.values
      job.low_stride = low.w.depth
      job.low_w = low.w.packed
      job.low_scale = low.scale
    }
  }

  /// Then out = f(out + bias), and `derivative`, shaped like `out`, f' there; out is rounded at last.
  mutating func apply(
    _ f: retort_activation, bias: UnsafePointer<Float>?, derivative: retort_rounded?,
    rounding: (@convention(c) (UnsafeMutablePointer<Float>?, Int) -> Void)?
  ) {
    round = rounding
    job.bias = bias
    job.activation = f
    job.derivative = derivative ?? retort_rounded()
  }

  /// Rows of a panel are at most so many: with large matrices more, as each panel reads all of the matrix, and with others
  /// as many as leave the panel's output in the second cache.
  /// So it is with codes, which each panel decodes anew.
  var panel: Int {
    let bytes = multiplier.packed_bytes(job.w.depth, job.w.columns, job.w.type)
    return job.w.type != RETORT_CODED && bytes < 4 << 20 ? CPU.panelRows / 2 : CPU.panelRows
  }
  /// Rows of a piece are best a multiple of this.
  var height: Int { multiplier.height }
  /// Columns of a piece start at a multiple of this.
  var strip: Int { multiplier.strip }
  /// Floats that a thread needs.
  var scratch: Int { weights.reduce(0) { $0 + $1.multiplier.scratch_bytes($1.depth, $1.type) } / 4 }

  /// Computes a piece: at most a panel of rows, all columns or whole strips of them.
  /// - Parameters:
  ///   - x: the rows of the left matrix, where they do not lie in it.
  ///   - out: where the result goes, if not to its place.
  func compute(
    _ rows: Range<Int>, _ columns: Range<Int>? = nil, from x: UnsafePointer<Float>? = nil,
    into out: UnsafeMutablePointer<Float>? = nil, scratch: UnsafeMutablePointer<Float>
  ) {
    var piece = job
    piece.x = x ?? job.x + rows.lowerBound * job.stride
    piece.out = out ?? job.out + rows.lowerBound * job.out_stride
    if let low = job.low { piece.low = low + rows.lowerBound * job.low_stride }
    piece.derivative = retort_from(job.derivative, rows.lowerBound * job.out_stride)
    let columns = columns ?? 0..<job.w.columns
    multiplier.linear(&piece, rows.count, columns.lowerBound, columns.upperBound, scratch)
    if let round {
      for row in 0..<rows.count { round(piece.out + row * piece.out_stride + columns.lowerBound, columns.count) }
    }
  }

  /// Computes all of it, threads sharing rows, or columns where rows are few.
  func compute(on cpu: CPU) {
    let scratch = cpu.scratch(scratch)
    guard rows <= panel else {
      return cpu.panels(rows, of: panel, height: height) { rows, worker in
        compute(rows, scratch: scratch.of(worker))
      }
    }
    // Each thread reads its part of the weight alone.
    let (columns, threads) = (job.w.columns, cpu.threads)
    let size = (columns + threads * strip - 1) / (threads * strip) * strip
    cpu.blocks(of: columns, size: size) { start, count, worker in
      compute(0..<rows, start..<start + count, scratch: scratch.of(worker))
    }
  }
}

extension CPU {
  /// Most rows of a panel of multiplication.
  static let panelRows = Int(RETORT_PANEL)

  /// Calls `body` for panels of at most `most` rows that give all threads equal shares. An element's bits do not depend
  /// on its panel.
  func panels(
    _ rows: Int, of most: Int, height: Int, _ body: (_ rows: Range<Int>, _ worker: Int) -> Void
  ) {
    let full = (rows + most - 1) / most
    let count = (full + threads - 1) / threads * threads
    let size = min(most, (rows + count * height - 1) / (count * height) * height)
    blocks(of: rows, size: size) { start, count, worker in body(start..<start + count, worker) }
  }
}
