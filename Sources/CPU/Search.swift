/// Products of embeddings with many others, which are laid out once. fp32, on the calling thread.
import CKernels
import Tensors

private final class LaidOutRows: SearchedRows {
  let packed: PackedWeight
  var count: Int { packed.columns }

  init(_ packed: PackedWeight) { self.packed = packed }
}

extension CPU {
  package func searched(_ x: Tensor, _ rows: Range<Int>) -> SearchedRows {
    let packed = PackedWeight(
      rows.count, x.columns, of: RETORT_F32, for: Weight.Layout(.forward, .fp32), on: self)
    packed.pack(x.floats + rows.lowerBound * x.columns, on: self)
    return LaidOutRows(packed)
  }

  package func products(of x: Tensor, _ rows: Range<Int>, with y: SearchedRows) -> [Float] {
    guard let y = y as? LaidOutRows else { preconditionFailure("rows of another device") }
    return [Float](unsafeUninitializedCapacity: rows.count * y.count) { out, filled in
      filled = rows.count * y.count
      guard let out = out.baseAddress, filled > 0 else { return }
      let product = Product(x.rows, x.floats, y.packed, into: out)
      var scratch = [Float](repeating: 0, count: product.scratch)
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.panelRows) {
        let panel = start..<min(start + Self.panelRows, rows.upperBound)
        product.compute(panel, into: out + (start - rows.lowerBound) * y.count, scratch: &scratch)
      }
    }
  }
}
