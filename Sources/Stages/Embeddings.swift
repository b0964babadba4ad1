/// Vectors of texts, and their products.
import COpenBLAS

/// Unit vectors, row-major. A zero vector stays zero.
package struct Embeddings: Sendable {
  package let count: Int
  package let width: Int
  package let values: [Float]  // [count, width]

  /// Scales each row to length 1.
  package init(_ rows: [Float], width: Int) {
    self.width = width
    count = width == 0 ? 0 : rows.count / width
    var values = rows
    values.withUnsafeMutableBufferPointer { values in
      for row in 0..<values.count / max(1, width) {
        let range = row * width..<(row + 1) * width
        let length = range.reduce(0.0) { $0 + Double(values[$1]) * Double(values[$1]) }.squareRoot()
        if length > 0 { for index in range { values[index] = Float(Double(values[index]) / length) } }
      }
    }
    self.values = values
  }

  /// Rows that one multiplication takes; the last block is filled up with zeros, so that a row's bits depend on neither
  /// its place nor its neighbours.
  static let blockRows = 64

  /// Cosines of the rows `start ..< start + blockRows` (those that exist) with every row of `others`.
  func cosines(from start: Int, with others: Embeddings) -> [Float] {  // [rows, others.count]
    let rows = min(Self.blockRows, count - start)
    var block = [Float](repeating: 0, count: Self.blockRows * width)
    block.replaceSubrange(0..<rows * width, with: values[start * width..<(start + rows) * width])
    var product = [Float](repeating: 0, count: Self.blockRows * others.count)
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(Self.blockRows), Int32(others.count), Int32(width), 1, block,
      Int32(width), others.values, Int32(width), 0, &product, Int32(others.count))
    product.removeLast((Self.blockRows - rows) * others.count)
    return product
  }
}
