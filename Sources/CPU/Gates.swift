/// Gated activations, rotary positions, sums, multiples and columns.
import CKernels
import Tensors

extension CPU {
  /// Elements of a block of passes that work element by element.
  private static let block = 1 << 13

  package func gate(_ f: Activation, _ z: Tensor, _ u: Tensor) -> Tensor {
    let y = matrix(z.rows, z.columns)
    blocks(of: z.count, size: Self.block) { start, count in
      table.gate(f.kernel, z.floats + start, u.floats + start, y.floats + start, count)
    }
    return y
  }

  package func gateBackward(_ f: Activation, _ dy: Tensor, _ z: Tensor, _ u: Tensor) -> (dz: Tensor, du: Tensor) {
    let (dz, du) = (matrix(dy.rows, dy.columns), matrix(dy.rows, dy.columns))
    blocks(of: dy.count, size: Self.block) { start, count in
      table.gate_backward(
        f.kernel, dy.floats + start, z.rounded(from: start), u.rounded(from: start), dz.floats + start,
        du.floats + start, count)
    }
    return (dz, du)
  }

  package func rotate(
    _ x: Tensor, _ rotation: Rotation, _ rows: Rows, backwards: Bool, rounds: Bool
  ) -> Tensor {
    let (y, columns) = (matrix(x.rows, x.columns), x.columns)
    blocks(of: x.rows, size: 64) { start, count in
      rows.withKernelRows(from: start) { rows in
        table.rotate(
          x.floats + start * columns, rows, rotation.cosines.floats, rotation.sines.floats, backwards ? 1 : 0,
          y.floats + start * columns, count, columns / rotation.width, rotation.width)
      }
      if rounds { table.round(y.floats + start * columns, count * columns) }
    }
    return y
  }

  package func sum(_ x: Tensor, _ y: Tensor) -> Tensor {
    let z = matrix(x.rows, x.columns)
    blocks(of: x.count, size: Self.block) { start, count in
      (z.floats + start).update(from: x.floats + start, count: count)
      table.add(y.floats + start, z.floats + start, count)
    }
    return z
  }

  package func scaled(_ x: Tensor, by factor: Float) -> Tensor {
    let y = matrix(x.rows, x.columns)
    blocks(of: x.count, size: Self.block) { start, count in
      (y.floats + start).update(repeating: 0, count: count)
      table.add_scaled(x.floats + start, factor, y.floats + start, count)
    }
    return y
  }

  package func columns(of x: Tensor, _ range: Range<Int>) -> Tensor {
    let y = matrix(x.rows, range.count)
    blocks(of: x.rows, size: 64) { start, count in
      for row in start..<start + count {
        (y.floats + row * range.count).update(from: x.floats + row * x.columns + range.lowerBound, count: range.count)
      }
    }
    return y
  }

  package func addColumns(_ x: Tensor, to: Tensor, at column: Int) {
    blocks(of: x.rows, size: 64) { start, count in
      for row in start..<start + count {
        table.add(x.floats + row * x.columns, to.floats + row * to.columns + column, x.columns)
      }
    }
  }
}
