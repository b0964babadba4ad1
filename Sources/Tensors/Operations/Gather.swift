/// Rows by their places, and rows of a past in front of a batch's own.
/// Gather: y[i] = x[places[i]], x [T, width], y [n, width]; backward adds each row of dy to the row it came from, in order.
/// Past: y [K, width], of each sequence the rows of its past and behind them those of x [T, width]; no gradient.

extension Tape {
  package func gather(_ x: Variable, _ places: [Int32]) -> Variable {
    let (device, below, shape) = (device, x.gradient, x.value.shape)
    let rows = device.tensor(places)
    let bytes = 8 * places.count * x.value.columns
    let y = Profile.measure(.embedding, bytes: bytes) {
      device.embed([EmbeddedTable(table: Weight("rows", x.value, decays: false), rows: rows)])
    }
    return record(y, needed: below != nil, as: .embedding, bytes: bytes, isRounded: x.isRounded) { dy in
      let sums = Weight("rows", device.uninitialized(shape), decays: false)
      sums.train()
      device.addEmbeddingGradients(dy, [EmbeddedTable(table: sums, rows: rows)])
      if let gradient = sums.gradient { below?.add(gradient) }
    }
  }

  /// - Parameter past: of each sequence of the batch as many rows as it has tokens in its past; nil of those without.
  package func behind(_ past: [Tensor?], _ x: Variable, batch: PackedBatch) -> Variable {
    precondition(
      x.value.rows == batch.tokens && zip(past, batch.past).allSatisfy { $0?.rows ?? 0 == $1 },
      "a past of \(past.map { $0?.rows ?? 0 }) rows for \(batch.past)")
    let y = device.uninitialized([batch.keys, x.value.columns])
    Profile.measure(.embedding, bytes: 8 * y.count) {
      var places: [Int] = []
      for (sequence, rows) in past.enumerated() {
        let (start, end) = (batch.keyOffsets[sequence], batch.keyOffsets[sequence + 1])
        let own = start + batch.past[sequence]
        if let rows { device.copyRows(of: rows, to: y, at: Array(start..<own)) }
        places += own..<end
      }
      device.copyRows(of: x.value, to: y, at: places)
    }
    return Variable(value: y, gradient: nil, isRounded: x.isRounded)
  }
}
