/// Matrix multiplication in fp32: OpenBLAS, one thread a call.
import COpenBLAS

struct Matrix {
  let elements: UnsafeMutablePointer<Float>
  /// Distance of consecutive rows.
  let stride: Int
  var isTransposed = false

  init(_ elements: UnsafeMutablePointer<Float>, stride: Int) {
    self.elements = elements
    self.stride = stride
  }

  var transposed: Matrix {
    var matrix = self
    matrix.isTransposed.toggle()
    return matrix
  }
}

/// out [m, n] = scale·a [m, k]·b [k, n], added to `out` if `accumulate`.
func gemm(
  _ m: Int, _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, scale: Float = 1, accumulate: Bool, into out: Matrix
) {
  cblas_sgemm(
    CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
    blasint(m), blasint(n), blasint(k), scale, a.elements, blasint(a.stride), b.elements, blasint(b.stride),
    accumulate ? 1 : 0, out.elements, blasint(out.stride))
}
