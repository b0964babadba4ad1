/// Embedding, norm, dropout and pooling.
import CKernels
import Tensors

extension CPU {
  /// Rows of a block: what the threads share them in.
  private static let rows = 64

  // MARK: - Embedding

  package func embed(_ tables: [EmbeddedTable]) -> Tensor {
    let columns = tables[0].table.columns
    let y = matrix(tables[0].rows.count, columns)
    let scratch = scratch(columns)
    blocks(of: y.rows, size: Self.rows) { start, count, worker in
      for row in start..<start + count {
        let out = y.floats + row * columns
        for (index, part) in tables.enumerated() {
          let found = gather(Int(part.rows.ints[row]), of: part.table.value, scratch.of(worker))
          if index == 0 { out.update(from: found, count: columns) } else { table.add(found, out, columns) }
        }
      }
    }
    return y
  }

  /// A row where it lies or, of another type than fp32, widened into `scratch`.
  private func gather(
    _ row: Int, of table: Tensor, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let start = row * table.columns
    if table.dtype == .f32 { return UnsafePointer(table.floats + start) }
    self.table.widen(table.halves + start, table.dtype.stored, scratch, table.columns)
    return UnsafePointer(scratch)
  }

  package func addEmbeddingGradients(_ dy: Tensor, _ tables: [EmbeddedTable]) {
    for part in tables {
      guard let sum = part.table.gradient else { continue }
      // Threads share columns: a sum's order is the tokens'.
      blocks(of: dy.columns, size: Self.rows) { start, count in
        table.scatter(part.rows.ints, dy.floats, sum.floats, dy.rows, dy.columns, start, start + count)
      }
    }
  }

  // MARK: - Norm

  package func norm(
    _ x: Tensor, residual: Tensor?, _ pass: NormPass, keeps: Bool
  ) -> (y: Tensor, kept: NormKept?) {
    let (count, columns) = (x.rows, x.columns)
    let y = matrix(count, columns)
    let kept =
      keeps
      ? NormKept(normalized: uninitialized([count, columns], precision.kept), inverse: uninitialized([count])) : nil
    let (gamma, beta) = (pass.gamma.value, pass.beta.value)
    blocks(of: count, size: Self.rows) { start, length in
      let offset = start * columns
      table.layer_norm(
        x.floats + offset, residual.map { $0.floats + offset }, gamma.floats, beta.floats, pass.eps, y.floats + offset,
        kept?.normalized.rounded(from: offset) ?? retort_rounded(), kept.map { $0.inverse.floats + start }, length,
        columns)
    }
    return (y, kept)
  }

  package func normBackward(_ dy: Tensor, _ pass: NormPass, normalized: Tensor, inverse: Tensor) -> Tensor {
    let dx = matrix(dy.rows, dy.columns)
    let gamma = pass.gamma.value
    blocks(of: dy.rows, size: Self.rows) { start, length in
      let offset = start * dy.columns
      table.layer_norm_backward(
        dy.floats + offset, normalized.rounded(from: offset), inverse.floats + start, gamma.floats, dx.floats + offset,
        length, dy.columns)
    }
    return dx
  }

  package func addNormGradients(_ dy: Tensor, _ pass: NormPass, normalized: Tensor) {
    guard let dgamma = pass.gamma.gradient, let dbeta = pass.beta.gradient else { return }
    let columns = dy.columns
    blocks(of: columns, size: Self.rows) { start, length in
      for chunk in pass.rows.chunks {
        let offset = chunk.lowerBound * columns
        table.layer_norm_weights(
          dy.floats + offset, normalized.rounded(from: offset), dgamma.floats, dbeta.floats, chunk.count, columns,
          start,
          start + length)
      }
    }
  }

  // MARK: - Dropout

  package func mask(_ rows: Int, _ columns: Int) -> Tensor { uninitialized([rows, (columns + 127) / 128 * 16], .u8) }

  package func dropout(_ x: Tensor, _ mask: DropoutMask, draws: Bool) -> Tensor {
    let y = matrix(x.rows, x.columns)
    blocks(of: x.rows, size: Self.rows) { start, length in
      let (rows, offset) = (start..<start + length, start * x.columns)
      if draws { mask.draw(rows, by: table) }
      mask.apply(x.floats + offset, to: y.floats + offset, rows, by: table)
    }
    return y
  }

  // MARK: - Pooling

  package func pool(_ x: Tensor, _ mode: PoolingMode, _ batch: PackedBatch) -> Tensor {
    let columns = x.columns
    let y = matrix(batch.count, mode.partCount * columns)
    parallel(batch.count) { sequence, _ in
      let parts = mode.tokens(batch.offsets[sequence]..<batch.offsets[sequence + 1])
      for (part, tokens) in parts.enumerated() {
        let row = y.floats + sequence * y.columns + part * columns
        row.update(repeating: 0, count: columns)
        table.column_sums(
          x.floats + tokens.lowerBound * columns, 1 / Float(tokens.count), row, tokens.count, columns, 0, columns)
      }
    }
    return y
  }

  package func poolBackward(_ dy: Tensor, _ mode: PoolingMode, _ batch: PackedBatch) -> Tensor {
    let columns = dy.columns / mode.partCount
    let dx = matrix(batch.tokens, columns)
    parallel(batch.count) { sequence, _ in
      let all = batch.offsets[sequence]..<batch.offsets[sequence + 1]
      let parts = mode.tokens(all)
      for token in all {
        let row = dx.floats + token * columns
        row.update(repeating: 0, count: columns)
        for (part, used) in parts.enumerated() where used.contains(token) {
          table.add_scaled(dy.floats + sequence * dy.columns + part * columns, 1 / Float(used.count), row, columns)
        }
      }
    }
    return dx
  }
}

extension DropoutSite {
  var parameters: retort_dropout { retort_dropout(key: key, site: site, threshold: threshold, scale: scale) }
}

extension DropoutMask {
  /// Draws the bits of some rows.
  func draw(_ range: Range<Int>, by table: retort_kernels) {
    withUnsafePointer(to: site.parameters) { parameters in
      rows.keys.withUnsafeBytes { keys in
        // `Rows.Key` has the layout of `retort_row`.
        let keys = keys.assumingMemoryBound(to: retort_row.self)
        table.dropout_mask(
          parameters, keys.baseAddress! + range.lowerBound, kept(from: range.lowerBound), range.count, columns)
      }
    }
  }

  /// out (+)= mask∘x/(1 - p) for some rows; `x` and `out` point to the first of them.
  func apply(
    _ x: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, accumulate: Bool = false, _ range: Range<Int>,
    by table: retort_kernels
  ) {
    table.dropout(kept(from: range.lowerBound), site.scale, x, out, accumulate ? 1 : 0, range.count, columns)
  }

  /// The bits of the rows from `row` on.
  func kept(from row: Int) -> UnsafeMutablePointer<UInt8> { bits.elements(UInt8.self) + row * bits.columns }
}
