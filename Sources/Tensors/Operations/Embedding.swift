/// y = Σ over tables of table[row], in their order; backward adds each row of dy to the rows it came from, tokens in
/// order. y [T, width]; tables [rows, width].

/// A table and, for each token, the row of it.
package struct EmbeddedTable {
  package let table: Weight
  package let rows: Tensor  // [T], i32
}

extension Tape {
  /// - Parameter sources: each table, and the row of it that each token has.
  package func embedding(_ sources: [(table: Weight, rows: [Int32])]) -> Variable {
    let device = device
    let tables = sources.map { EmbeddedTable(table: $0.table, rows: device.tensor($0.rows)) }
    let count = sources[0].rows.count * sources[0].table.columns
    let y = Profile.measure(.embedding, bytes: 16 * count) { device.embed(tables) }
    return record(y, needed: tables.contains { $0.table.isTrainable }, as: .embedding, bytes: 36 * count) {
      device.addEmbeddingGradients($0, tables)
    }
  }
}
