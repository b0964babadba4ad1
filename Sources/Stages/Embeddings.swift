/// Vectors of texts on a device, and their products.
import Tensors

/// Unit vectors, whose products are cosines, unless they are to be compared as they are.
package struct Embeddings: Sendable {
  private let vectors: Tensor  // [count, width]

  /// Scales each row to length 1 in place, if `normalizing`. A zero vector stays zero.
  package init(_ vectors: Tensor, normalizing: Bool = true) {
    self.vectors = vectors
    if normalizing { vectors.device.normalizeRows(vectors, floor: .leastNormalMagnitude) }
  }

  package var count: Int { vectors.rows }
  private var width: Int { vectors.columns }

  /// Rows whose products with many others are best computed together.
  static let rowsAtOnce = 96

  /// Laid out to take products with.
  func searched(_ rows: Range<Int>) -> any SearchedRows { vectors.device.searched(vectors, rows) }

  /// Products with every row of `others`.
  func products(of rows: Range<Int>, with others: any SearchedRows) -> [Float] {  // [rows, others.count]
    vectors.device.products(of: vectors, rows, with: others)
  }

  /// Products of each row with the row of the same number.
  func products(with others: Embeddings) -> [Float] {
    let (left, right, width) = (vectors.array, others.vectors.array, width)
    return (0..<min(count, others.count)).map { row in
      let elements = row * width..<(row + 1) * width
      return Float(elements.reduce(0.0) { (sum: Double, index) in sum + Double(left[index]) * Double(right[index]) })
    }
  }

  /// The first elements of each row, copied, and scaled to length 1 if `normalizing`.
  func prefix(_ width: Int, normalizing: Bool) -> Embeddings {
    Embeddings(vectors.firstColumns(width), normalizing: normalizing)
  }

  /// The codes of the vectors, as numbers whose products compare them.
  func compared(by codes: VectorCodes) -> Embeddings {
    let all = vectors.array
    let width = width
    return Embeddings(
      vectors.device.tensor(all.indices.map { codes.compared(all[$0], $0 % width) }, [count, width]), normalizing: false
    )
  }

  /// Numbers of all rows. [count, width]
  var array: [Float] { vectors.array }

  /// Some rows, copied.
  func chosen(_ rows: [Int]) -> Embeddings {
    let (all, width) = (vectors.array, width)
    return Embeddings(
      vectors.device.tensor(rows.flatMap { all[$0 * width..<($0 + 1) * width] }, [rows.count, width]))
  }
}
