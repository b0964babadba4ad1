/// y = mask∘x/(1 - p), each element kept with probability 1 - p (Srivastava et al. 2014). Masks are computed from
/// counters in forward and again in backward, never stored.
import CKernels

/// One place of dropout in a model. p is rounded to a multiple of 1/65536, and the scale follows the rounded one.
struct Dropout {
  let parameters: retort_dropout

  /// Nil if nothing is to be dropped: p = 0, or inference.
  init?(_ p: Double, tape: Tape, sites: Int = 1) {
    // Sites are counted in any case, so that a mask does not depend on what else is dropped.
    let site = tape.nextSites(sites)
    let threshold = UInt32((p * 65536).rounded())
    guard threshold > 0, let key = tape.dropoutKey else { return nil }
    parameters = retort_dropout(key: key, site: site, threshold: threshold, scale: 65536 / Float(65536 - threshold))
  }

  /// out (+)= mask∘x/(1 - p) for `count` rows from `start`; `x` and `out` point to the first of them.
  func apply(
    _ x: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, accumulate: Bool = false, rows: Rows, start: Int,
    count: Int, columns: Int
  ) {
    withUnsafePointer(to: parameters) { parameters in
      rows.keys.withUnsafeBufferPointer { keys in
        Kernels.active.table.pointee.dropout(
          parameters, keys.baseAddress! + start, x, out, accumulate ? 1 : 0, count, columns)
      }
    }
  }
}

extension Tape {
  /// x [rows, n] → [rows, n]; x itself if nothing is dropped.
  package func dropout(_ x: Variable, _ p: Double, rows: Rows) -> Variable {
    guard let dropout = Dropout(p, tape: self) else { return x }
    let (engine, count, columns) = (engine, x.value.rows, x.value.columns)
    func masked(_ source: Tensor) -> Tensor {
      let result = engine.matrix(count, columns)
      let (from, to) = (source.floats, result.floats)
      engine.blocks(of: count, size: 64) { start, length in
        dropout.apply(
          from + start * columns, to: to + start * columns, rows: rows, start: start, count: length, columns: columns)
      }
      return result
    }
    let below = x.gradient
    let (y, bytes) = (Profile.measure(.dropout, bytes: 8 * x.value.count) { masked(x.value) }, 8 * x.value.count)
    return record(y, needed: below != nil, as: .dropout, bytes: bytes) { below?.add(masked($0), on: engine) }
  }
}
