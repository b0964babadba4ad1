/// y = Σ over tables of table[row], in this order: a token's piece, its segment, its place in the sequence; backward
/// adds each row of dy to the rows it came from, tokens in order. y [T, width]; tables [rows, width].

/// A table and, for each token, the row of it.
package struct EmbeddedTable {
  package let table: Weight
  package let rows: Tensor  // [T], i32
}

extension Tape {
  package func embedding(_ batch: PackedBatch, word: Weight, position: Weight, segment: Weight) -> Variable {
    let device = device
    let tables = [
      EmbeddedTable(table: word, rows: device.tensor(batch.ids)),
      EmbeddedTable(table: segment, rows: device.tensor(batch.typeIDs)),
      EmbeddedTable(table: position, rows: device.tensor(batch.tokenRows.keys.map { Int32($0.position) })),
    ]
    let count = batch.tokens * word.columns
    let y = Profile.measure(.embedding, bytes: 16 * count) { device.embed(tables) }
    return record(y, needed: tables.contains { $0.table.isTrainable }, as: .embedding, bytes: 36 * count) {
      device.addEmbeddingGradients($0, tables)
    }
  }
}
