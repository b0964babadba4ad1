/// Products of panels in which a row's bits do not depend on its place.

/// How a panel of rows is multiplied on this processor.
enum PanelProduct {
  /// In one call: rows of equal content get equal bits, as on AVX-512 cores.
  case whole
  /// In strips of 16 rows, laid across: OpenBLAS's kernels for AVX2 (Haswell, Zen) treat the rows of a larger block
  /// differently, measured on OpenBLAS 0.3.21; a strip is one column of their tiles. About a fifth slower.
  case strips

  private static let strip = 16

  static let chosen: PanelProduct = treatsRowsAlike(.whole) ? .whole : .strips

  /// out [panel, n] = scale·a [panel, k]·b [k, n], added to `out` if `accumulate`.
  func multiply(
    _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, scale: Float = 1, accumulate: Bool, into out: Matrix
  ) {
    guard case .strips = self else {
      return gemm(PackedWeight.panel, n, k, a, b, scale: scale, accumulate: accumulate, into: out)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: n * Self.strip) { buffer in
      guard let product = buffer.baseAddress else { return }  // [n, strip]
      for start in stride(from: 0, to: PackedWeight.panel, by: Self.strip) {
        let rows = Matrix(a.elements + start * a.stride, stride: a.stride)
        gemm(
          n, Self.strip, k, b.transposed, rows.transposed, scale: scale, accumulate: false,
          into: Matrix(product, stride: Self.strip))
        for row in 0..<Self.strip {
          let target = out.elements + (start + row) * out.stride
          for column in 0..<n {
            let value = product[column * Self.strip + row]
            target[column] = accumulate ? target[column] + value : value
          }
        }
      }
    }
  }

  /// Whether 64 equal rows give 64 equal rows, at shapes with and without remainders.
  private static func treatsRowsAlike(_ way: PanelProduct) -> Bool {
    [(384, 384), (16, 384), (100, 37)].allSatisfy { k, n in
      let row = (0..<k).map { Float(($0 * 7919 + 13) % 1009) / 1009 - 0.5 }
      var x = [Float]((0..<PackedWeight.panel).map { _ in row }.joined())  // [panel, k]
      var w = (0..<n * k).map { Float(($0 * 104_729 + 7) % 1013) / 1013 - 0.5 }  // [n, k]
      var y = [Float](repeating: 0, count: PackedWeight.panel * n)
      x.withUnsafeMutableBufferPointer { x in
        w.withUnsafeMutableBufferPointer { w in
          y.withUnsafeMutableBufferPointer { y in
            guard let x = x.baseAddress, let w = w.baseAddress, let y = y.baseAddress else { return }
            way.multiply(
              n, k, Matrix(x, stride: k), Matrix(w, stride: k).transposed, accumulate: false,
              into: Matrix(y, stride: n))
          }
        }
      }
      return (1..<PackedWeight.panel).allSatisfy { y[$0 * n..<($0 + 1) * n].elementsEqual(y[..<n]) }
    }
  }
}
