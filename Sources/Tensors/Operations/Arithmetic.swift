/// Sums of two matrices, multiples, and some of a matrix's columns; backward: the gradient to both, its multiple, and
/// to the columns that it is of. All [n, width].

extension Tape {
  /// x + y
  package func sum(_ x: Variable, _ y: Variable) -> Variable {
    precondition(x.value.shape == y.value.shape, "sum of \(x.value.shape) and \(y.value.shape)")
    let (below, bytes) = ([x.gradient, y.gradient], 12 * x.value.count)
    let z = Profile.measure(.sum, bytes: bytes) { device.sum(x.value, y.value) }
    return record(z, needed: below.contains { $0 != nil }, as: .sum) { dz in for gradient in below { gradient?.add(dz) }
    }
  }

  /// factor·x
  package func scale(_ x: Variable, by factor: Float) -> Variable {
    let (device, below, bytes) = (device, x.gradient, 8 * x.value.count)
    let y = Profile.measure(.sum, bytes: bytes) { device.scaled(x.value, by: factor) }
    return record(y, needed: below != nil, as: .sum, bytes: bytes) { below?.add(device.scaled($0, by: factor)) }
  }

  package func columns(_ x: Variable, _ range: Range<Int>) -> Variable {
    let (device, below, shape) = (device, x.gradient, x.value.shape)
    let bytes = 8 * x.value.rows * range.count
    let y = Profile.measure(.sum, bytes: bytes) { device.columns(of: x.value, range) }
    return record(y, needed: below != nil, as: .sum, bytes: bytes, isRounded: x.isRounded) { dy in
      below?.add(shape[0], shape[1], on: device) { dx, accumulate in
        if !accumulate { dx.fill(0) }
        device.addColumns(dy, to: dx, at: range.lowerBound)
      }
    }
  }
}
