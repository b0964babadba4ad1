/// y = mask∘x/(1 - p), each element kept with probability 1 - p (Srivastava et al. 2014). Masks follow from
/// counters alone, so a repeated forward pass draws the same.
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

  /// The mask of a matrix with these rows, to be drawn.
  func mask(_ rows: Rows, columns: Int, on engine: Engine) -> DropoutMask {
    DropoutMask(dropout: self, rows: rows, columns: columns, engine: engine)
  }
}

/// Which elements of a matrix stay, a bit each: drawn in forward, used again in backward.
struct DropoutMask {
  private let dropout: Dropout
  private let rows: Rows
  private let columns: Int
  private let bits: Tensor  // [rows, words]

  fileprivate init(dropout: Dropout, rows: Rows, columns: Int, engine: Engine) {
    (self.dropout, self.rows, self.columns) = (dropout, rows, columns)
    bits = engine.uninitialized([rows.count, Engine.maskWords(columns)], .i32)
  }

  /// Draws the bits of some rows.
  func draw(_ range: Range<Int>) {
    withUnsafePointer(to: dropout.parameters) { parameters in
      rows.keys.withUnsafeBufferPointer { keys in
        Kernels.active.table.pointee.dropout_mask(
          parameters, keys.baseAddress! + range.lowerBound, kept(from: range.lowerBound), range.count, columns)
      }
    }
  }

  /// out (+)= mask∘x/(1 - p) for some rows; `x` and `out` point to the first of them.
  func apply(
    _ x: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, accumulate: Bool = false, _ range: Range<Int>
  ) {
    Kernels.active.table.pointee.dropout(
      kept(from: range.lowerBound), scale, x, out, accumulate ? 1 : 0, range.count, columns)
  }

  /// Of what stays.
  var scale: Float { dropout.parameters.scale }

  /// The bits of the rows from `row` on.
  func kept(from row: Int) -> UnsafeMutablePointer<UInt8> {
    UnsafeMutableRawPointer(bits.ints + row * bits.columns).assumingMemoryBound(to: UInt8.self)
  }
}

extension Engine {
  /// Words of a row of a mask of dropout.
  package static func maskWords(_ columns: Int) -> Int { (columns + 127) / 128 * 4 }
}

extension Tape {
  /// x [rows, n] → [rows, n]; x itself if nothing is dropped.
  package func dropout(_ x: Variable, _ p: Double, rows: Rows) -> Variable {
    guard let dropout = Dropout(p, tape: self) else { return x }
    let (engine, count, columns) = (engine, x.value.rows, x.value.columns)
    let mask = dropout.mask(rows, columns: columns, on: engine)
    func masked(_ source: Tensor, drawing: Bool) -> Tensor {
      let result = engine.matrix(count, columns)
      let (from, to) = (source.floats, result.floats)
      engine.blocks(of: count, size: 64) { start, length in
        if drawing { mask.draw(start..<start + length) }
        mask.apply(from + start * columns, to: to + start * columns, start..<start + length)
      }
      return result
    }
    let below = x.gradient
    let bytes = 8 * x.value.count
    let y = Profile.measure(.dropout, bytes: bytes) { masked(x.value, drawing: true) }
    return record(y, needed: below != nil, as: .dropout, bytes: bytes) {
      below?.add(masked($0, drawing: false), on: engine)
    }
  }
}
