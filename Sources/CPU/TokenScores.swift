/// Softmax over a vocabulary, block by block.
import CKernels
import Tensors

extension CPU {
  /// Columns of a piece.
  private static let columns = 64

  /// A table that is no array of floats is widened panel by panel, in a cache.
  package func products(of table: Weight, _ rows: Range<Int>, with h: Weight) -> Tensor {
    let (y, depth) = (matrix(rows.count, h.rows), table.columns)
    let layout = layout(h, for: .forward, in: precision)
    let widened = Self.panelRows * depth
    let product = Product(rows.count, y.floats, layout, into: y.floats)
    let scratch = scratch(widened + product.scratch)
    panels(rows.count, of: product.panel, height: product.height) { panel, worker in
      let (own, start) = (scratch.of(worker), (rows.lowerBound + panel.lowerBound) * depth)
      var from = UnsafePointer(own)
      switch table.matrix {
      case .dense(let value): from = UnsafePointer(value.floats + start)
      case .stored(let stored, _):
        stored.bytes.withUnsafeBytes {
          self.table.widen(
            $0.baseAddress! + start * stored.dtype.bytes, stored.dtype.stored, own, panel.count * depth)
        }
      case .coded, .listed: preconditionFailure("\(table.name) is no table of numbers")
      }
      product.compute(panel, from: from, scratch: own + widened)
    }
    return y
  }

  package func add(_ z: Tensor, from first: Int, to sums: VocabularySums) {
    blocks(of: z.columns, size: Self.columns) { start, count in
      table.add_exponentials(
        z.floats, z.rows, z.columns, start, start + count, sums.peaks.floats, sums.totals.floats)
      for (column, row) in targets(sums, first, z, start, count) {
        sums.chosen.floats[column] = z.floats[row * z.columns + column]
      }
    }
  }

  package func spread(_ z: Tensor, from first: Int, _ sums: VocabularySums, logSums: Tensor, _ ds: Tensor) {
    blocks(of: z.columns, size: Self.columns) { start, count in
      table.spread_exponentials(z.floats, z.rows, z.columns, start, start + count, logSums.floats, ds.floats)
      for (column, row) in targets(sums, first, z, start, count) {
        z.floats[row * z.columns + column] += ds.floats[column]
      }
    }
  }

  /// The columns whose targets are among the rows of z, with these rows.
  private func targets(
    _ sums: VocabularySums, _ first: Int, _ z: Tensor, _ start: Int, _ count: Int
  ) -> [(column: Int, row: Int)] {
    (start..<start + count).compactMap { column in
      let row = Int(sums.targets.ints[column]) - first
      return (0..<z.rows).contains(row) ? (column, row) : nil
    }
  }
}
