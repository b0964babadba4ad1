/// Vectors of texts, and their products.
import Tensors

/// Vectors, row-major: unit vectors, whose products are cosines, unless they are to be compared as they are.
package struct Embeddings: Sendable {
  package let count: Int
  package let width: Int
  package let values: [Float]  // [count, width]

  /// Scales each row to length 1, if `normalizing`. A zero vector stays zero.
  package init(_ rows: some Collection<Float>, width: Int, normalizing: Bool = true) {
    self.width = width
    count = width == 0 ? 0 : rows.count / width
    var values = Array(rows)
    values.withUnsafeMutableBufferPointer { values in
      for row in 0..<(normalizing ? values.count / max(1, width) : 0) {
        let range = row * width..<(row + 1) * width
        let length = range.reduce(0.0) { $0 + Double(values[$1]) * Double(values[$1]) }.squareRoot()
        if length > 0 { for index in range { values[index] = Float(Double(values[index]) / length) } }
      }
    }
    self.values = values
  }

  /// Rows whose products are computed at once.
  static let blockRows = PackedRows.most

  /// Laid out to take products with.
  var packed: PackedRows { packed(0..<count) }
  func packed(_ rows: Range<Int>) -> PackedRows {
    PackedRows(values[rows.lowerBound * width..<rows.upperBound * width], width: width)
  }

  /// Products of the rows `start ..< start + blockRows` (those that exist) with every row of `others`.
  func products(from start: Int, with others: PackedRows) -> [Float] {  // [rows, others.count]
    others.products(values[start * width..<min(start + Self.blockRows, count) * width])
  }
}
