/// A linear layer's matrix as multiplications want it: on panels of rows, in both directions.

/// Panels have a fixed height, so a row's bits depend neither on how many rows there are nor on which is its place.
/// fp32 is multiplied from the weight's own memory; other precisions will pack it here.
struct PackedWeight {
  /// Rows of a panel.
  static let panel = 64

  private let value: Tensor  // [out, in]

  init(_ value: Tensor) { self.value = value }

  var outputs: Int { value.rows }
  var inputs: Int { value.columns }

  static func padded(_ rows: Int) -> Int { (rows + panel - 1) / panel * panel }

  /// y [panel, out] = x [panel, in]·Wᵀ
  func multiply(
    _ x: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>, accumulate: Bool = false, scale: Float = 1
  ) {
    PanelProduct.chosen.multiply(
      outputs, inputs, Matrix(x, stride: inputs), Matrix(value.floats, stride: inputs).transposed,
      scale: scale, accumulate: accumulate, into: Matrix(y, stride: outputs))
  }

  /// dx [panel, in] (+)= scale·dy [panel, out]·W
  func multiplyTransposed(
    _ dy: UnsafeMutablePointer<Float>, into dx: UnsafeMutablePointer<Float>, accumulate: Bool = false, scale: Float = 1
  ) {
    PanelProduct.chosen.multiply(
      inputs, outputs, Matrix(dy, stride: outputs), Matrix(value.floats, stride: inputs),
      scale: scale, accumulate: accumulate, into: Matrix(dx, stride: inputs))
  }
}

extension Engine {
  /// Calls `body(start, count, worker)` for each panel of `rows`; the last `count` is smaller, the memory is not.
  func panels(_ rows: Int, _ body: (_ start: Int, _ count: Int, _ worker: Int) -> Void) {
    parallel(PackedWeight.padded(rows) / PackedWeight.panel) { piece, worker in
      let start = piece * PackedWeight.panel
      body(start, min(PackedWeight.panel, rows - start), worker)
    }
  }
}

/// Adds the gradient of a linear map's matrix W [out, in], y = x·Wᵀ, to `sum`: scale·dyᵀ·x over each chunk of rows, in
/// order. Threads share the outputs, or the inputs where those are more, never the summed rows.
func addWeightGradient(
  to sum: Tensor, dy: Tensor, x: Tensor, scale: Float = 1, chunks: [Range<Int>], on engine: Engine
) {
  let (outputs, inputs) = (sum.rows, sum.columns)
  let (gradient, left, right) = (sum.floats, dy.floats, x.floats)
  let block = 128
  func add(_ rows: Range<Int>, _ columns: Range<Int>) {
    for chunk in chunks {
      gemm(
        rows.count, columns.count, chunk.count,
        Matrix(left + chunk.lowerBound * outputs + rows.lowerBound, stride: outputs).transposed,
        Matrix(right + chunk.lowerBound * inputs + columns.lowerBound, stride: inputs), scale: scale, accumulate: true,
        into: Matrix(gradient + rows.lowerBound * inputs + columns.lowerBound, stride: inputs))
    }
  }
  if outputs >= inputs {
    engine.blocks(of: outputs, size: block) { start, count in add(start..<(start + count), 0..<inputs) }
  } else {
    engine.blocks(of: inputs, size: block) { start, count in add(0..<outputs, start..<(start + count)) }
  }
}
