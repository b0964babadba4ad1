/// Rows by their places: y[i] = x[places[i]], x [T, width], y [n, width]; backward adds each row of dy to the row it came from, in order.

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
}
