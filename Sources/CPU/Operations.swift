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
          let found = gather(Int(part.rows.ints[row]), of: part.table, scratch.of(worker))
          if index == 0 { out.update(from: found, count: columns) } else { table.add(found, out, columns) }
        }
      }
    }
    return y
  }

  /// A row where it lies or, out of a file, widened into `scratch`.
  private func gather(
    _ row: Int, of weight: Weight, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let start = row * weight.columns
    switch weight.matrix {
    case .dense(let value): return UnsafePointer(value.floats + start)
    case .stored(let stored, _):
      stored.bytes.withUnsafeBytes {
        table.widen(
          $0.baseAddress! + start * stored.dtype.bytes, stored.dtype.stored, scratch, weight.columns)
      }
      return UnsafePointer(scratch)
    case .coded, .listed: preconditionFailure("\(weight.name) is no table of numbers")
    }
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
    let (count, columns) = (pass.count, pass.norm.width)
    let y = matrix(x.rows, x.columns)
    let kept =
      keeps ? NormKept(normalized: uninitialized(x.shape, precision.kept), inverse: uninitialized([count])) : nil
    let norm = pass.norm.parameters
    blocks(of: count, size: Self.rows * pass.pieces) { start, length in
      let offset = start * columns
      withUnsafePointer(to: norm) {
        table.norm(
          $0, x.floats + offset, residual.map { $0.floats + offset }, y.floats + offset,
          kept?.normalized.rounded(from: offset) ?? retort_rounded(), kept.map { $0.inverse.floats + start }, length,
          columns)
      }
    }
    return (y, kept)
  }

  package func normBackward(_ dy: Tensor, _ pass: NormPass, normalized: Tensor, inverse: Tensor) -> Tensor {
    let (dx, columns, norm) = (matrix(dy.rows, dy.columns), pass.norm.width, pass.norm.parameters)
    blocks(of: pass.count, size: Self.rows * pass.pieces) { start, length in
      let offset = start * columns
      withUnsafePointer(to: norm) {
        table.norm_backward(
          $0, dy.floats + offset, normalized.rounded(from: offset), inverse.floats + start, dx.floats + offset, length,
          columns)
      }
    }
    return dx
  }

  package func addNormGradients(_ dy: Tensor, _ pass: NormPass, normalized: Tensor) {
    guard let dgamma = pass.norm.gamma.gradient else { return }
    let (columns, dbeta) = (pass.norm.width, pass.norm.beta?.gradient)
    blocks(of: columns, size: Self.rows) { start, length in
      for chunk in pass.chunks {
        let offset = chunk.lowerBound * columns
        table.norm_weights(
          dy.floats + offset, normalized.rounded(from: offset), dgamma.floats, dbeta?.floats, chunk.count, columns,
          start, start + length)
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

  package func pool(_ x: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch) -> (y: Tensor, maxima: Tensor?) {
    let columns = x.columns
    let y = matrix(batch.count, modes.count * columns)
    let maxima = modes.contains(.max) ? uninitialized([batch.count, columns], .i32) : nil
    parallel(batch.count) { sequence, _ in
      for (part, mode) in modes.enumerated() {
        let row = y.floats + sequence * y.columns + part * columns
        if mode == .max, let maxima {
          let places = maxima.ints + sequence * columns
          takeMaxima(x, batch.pooled(sequence), row, places)
        } else {
          row.update(repeating: 0, count: columns)
          for (tokens, weight) in mode.shares(batch.pooled(sequence), from: batch.offsets[sequence]) {
            table.column_sums(
              x.floats + tokens.lowerBound * columns, Float(weight), row, tokens.count, columns, 0, columns)
          }
        }
      }
    }
    return (y, maxima)
  }

  /// What is no number is the maximum, as in torch.
  private func takeMaxima(
    _ x: Tensor, _ tokens: Range<Int>, _ row: UnsafeMutablePointer<Float>, _ places: UnsafeMutablePointer<Int32>
  ) {
    let columns = x.columns
    row.update(from: x.floats + tokens.lowerBound * columns, count: columns)
    places.update(repeating: Int32(tokens.lowerBound), count: columns)
    for token in tokens.dropFirst() {
      let values = x.floats + token * columns
      for column in 0..<columns where values[column] > row[column] || values[column].isNaN {
        (row[column], places[column]) = (values[column], Int32(token))
      }
    }
  }

  package func poolBackward(
    _ dy: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch, _ maxima: Tensor?
  ) -> Tensor {
    let columns = dy.columns / modes.count
    let dx = matrix(batch.tokens, columns)
    parallel(batch.count) { sequence, _ in
      let all = batch.offsets[sequence]..<batch.offsets[sequence + 1]
      (dx.floats + all.lowerBound * columns).update(repeating: 0, count: all.count * columns)
      for (part, mode) in modes.enumerated() {
        let arrived = dy.floats + sequence * dy.columns + part * columns
        if mode == .max, let maxima {
          let places = maxima.ints + sequence * columns
          for column in 0..<columns { dx.floats[Int(places[column]) * columns + column] += arrived[column] }
        }
        for (tokens, weight) in mode.shares(batch.pooled(sequence), from: all.lowerBound) {
          for token in tokens { table.add_scaled(arrived, Float(weight), dx.floats + token * columns, columns) }
        }
      }
    }
    return dx
  }
}

extension Norm {
  var parameters: retort_norm {
    retort_norm(
      gamma: gamma.value.floats, beta: beta.map { UnsafePointer($0.value.floats) }, shift: shift, eps: eps,
      centred: form == .centred ? 1 : 0)
  }
}

extension DropoutSite {
  var parameters: retort_dropout { retort_dropout(key: key, site: site, threshold: threshold, scale: scale) }
}

extension Rows {
  /// Calls `body` with the rows from `first` on, as kernels read them.
  func withKernelRows(from first: Int, _ body: (UnsafePointer<retort_row>) -> Void) {
    // `Rows.Key` has the layout of `retort_row`.
    keys.withUnsafeBytes { body($0.assumingMemoryBound(to: retort_row.self).baseAddress! + first) }
  }
}

extension DropoutMask {
  /// Draws the bits of some rows.
  func draw(_ range: Range<Int>, by table: retort_kernels) {
    withUnsafePointer(to: site.parameters) { parameters in
      rows.withKernelRows(from: range.lowerBound) {
        table.dropout_mask(parameters, $0, kept(from: range.lowerBound), range.count, columns)
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
