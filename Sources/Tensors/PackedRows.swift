/// Rows whose products with many other rows are asked for, laid out once. One thread, fp32.
import CKernels

package struct PackedRows {
  package let count: Int
  package let width: Int
  private let weight: PackedWeight
  /// Rows that `products` takes at once.
  package static let most = Engine.panelRows

  /// - Parameter rows: [count, width]
  package init(_ rows: ArraySlice<Float>, width: Int) {
    let engine = Engine(threads: 1)
    self.width = width
    count = width == 0 ? 0 : rows.count / width
    weight = PackedWeight(engine.tensor(Array(rows), [count, width]), for: .forward, in: .fp32, on: engine)
  }

  /// x·rowsᵀ for at most `most` rows x: [x.count / width, count]. A row's bits depend on it alone.
  package func products(_ x: ArraySlice<Float>) -> [Float] {
    let rows = x.count / max(1, width)
    precondition(rows <= Self.most, "\(rows) rows at once")
    return [Float](unsafeUninitializedCapacity: rows * count) { out, initialized in
      x.withUnsafeBufferPointer { x in
        if let x = x.baseAddress, let out = out.baseAddress, rows * count > 0 {
          let product = Product(rows, x, weight, into: out)
          withUnsafeTemporaryAllocation(of: Float.self, capacity: product.scratch) {
            // One that needs no scratch has none.
            product.compute(0..<rows, scratch: $0.baseAddress ?? out)
          }
        }
      }
      initialized = rows * count
    }
  }
}
