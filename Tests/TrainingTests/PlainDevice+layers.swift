/// The plain device's embeddings, norms, pooling, gates, rotations and linear maps, as their formulas say.
import Foundation
import Tensors

extension PlainDevice {
  // MARK: - Embedding, norm, pooling

  func embed(_ tables: [EmbeddedTable]) -> Tensor {
    let width = tables[0].table.columns
    let parts = tables.map { part in
      let table = get(part.table.fp32)
      return get(part.rows).flatMap { table[Int($0) * width..<(Int($0) + 1) * width] }
    }
    let sum = parts.dropFirst().reduce(parts[0]) { zip($0, $1).map { $0 + $1 } }
    return made([tables[0].rows.count, width], sum)
  }

  func addEmbeddingGradients(_ dy: Tensor, _ tables: [EmbeddedTable]) {
    let (arrived, width) = (get(dy), dy.columns)
    for part in tables {
      guard let gradient = part.table.gradient else { continue }
      let places = get(part.rows)
      change(gradient) { sum in
        for (token, row) in places.enumerated() {
          for column in 0..<width { sum[Int(row) * width + column] += arrived[token * width + column] }
        }
      }
    }
  }

  func norm(_ x: Tensor, residual: Tensor?, _ pass: NormPass, keeps: Bool) -> (y: Tensor, kept: NormKept?) {
    let norm = pass.norm
    let (gamma, beta, width) = (factors(norm), norm.beta.map { get($0.value) }, norm.width)
    let added = residual.map(get) ?? [Double](repeating: 0, count: x.count)
    let sums = zip(get(x), added).map { $0 + $1 }
    var (normalized, inverses): ([Double], [Double]) = ([], [])
    for start in stride(from: 0, to: sums.count, by: width) {
      let row = sums[start..<start + width]
      let mean = norm.form == .centred ? row.reduce(0, +) / Double(width) : 0
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let inverse = 1 / (variance + Double(norm.eps)).squareRoot()
      inverses.append(inverse)
      normalized += row.map { ($0 - mean) * inverse }
    }
    let y = normalized.enumerated().map { gamma[$0 % width] * $1 + (beta?[$0 % width] ?? 0) }
    let kept = keeps ? NormKept(normalized: made(x.shape, normalized), inverse: made([pass.count], inverses)) : nil
    return (made(x.shape, y), kept)
  }

  func factors(_ norm: Norm) -> [Double] { get(norm.gamma.value).map { $0 + Double(norm.shift) } }

  func normBackward(_ dy: Tensor, _ pass: NormPass, normalized: Tensor, inverse: Tensor) -> Tensor {
    let (gamma, inverse, width) = (factors(pass.norm), get(inverse), pass.norm.width)
    let (arrived, n) = (get(dy), get(normalized))
    let dx = (0..<pass.count).flatMap { index in
      let row = index * width..<(index + 1) * width
      let g = zip(arrived[row], gamma).map { $0 * $1 }
      let mean = pass.norm.form == .centred ? g.reduce(0, +) / Double(width) : 0
      let slope = dot(g, n[row]) / Double(width)
      return zip(g, n[row]).map { inverse[index] * ($0 - mean - $1 * slope) }
    }
    return made(dy.shape, dx)
  }

  func addNormGradients(_ dy: Tensor, _ pass: NormPass, normalized: Tensor) {
    let products = zip(get(dy), get(normalized)).map { $0 * $1 }
    addColumns(products, to: pass.norm.gamma.gradient)
    addColumns(get(dy), to: pass.norm.beta?.gradient)
  }

  func addColumns(_ values: [Double], to sum: Tensor?) {
    guard let sum else { return }
    change(sum) { for (index, value) in values.enumerated() { $0[index % sum.count] += value } }
  }

  func pool(_ x: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch) -> (y: Tensor, maxima: Tensor?) {
    let (values, width) = (get(x), x.columns)
    func largest(_ sequence: Int, _ column: Int) -> Int {
      batch.pooled(sequence).max { values[$0 * width + column] < values[$1 * width + column] }!
    }
    var y: [Double] = []
    for sequence in 0..<batch.count {
      for mode in modes {
        let shares = mode.shares(batch.pooled(sequence), from: batch.offsets[sequence])
        for column in 0..<width {
          y.append(
            mode == .max
              ? values[largest(sequence, column) * width + column]
              : shares.reduce(0) { sum, share in
                share.tokens.reduce(sum) { $0 + share.weight * values[$1 * width + column] }
              })
        }
      }
    }
    let maxima = (0..<batch.count).flatMap { row in (0..<width).map { Double(largest(row, $0)) } }
    return (made([batch.count, modes.count * width], y), made([batch.count, width], maxima))
  }

  func poolBackward(_ dy: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch, _ maxima: Tensor?) -> Tensor {
    let (width, arrived, places) = (dy.columns / modes.count, get(dy), maxima.map(get) ?? [])
    var dx = [Double](repeating: 0, count: batch.tokens * width)
    for sequence in 0..<batch.count {
      for (part, mode) in modes.enumerated() {
        let shares = mode.shares(batch.pooled(sequence), from: batch.offsets[sequence])
        for column in 0..<width {
          let slope = arrived[(sequence * modes.count + part) * width + column]
          if mode == .max { dx[Int(places[sequence * width + column]) * width + column] += slope }
          for share in shares { for token in share.tokens { dx[token * width + column] += share.weight * slope } }
        }
      }
    }
    return made([batch.tokens, width], dx)
  }

  // MARK: - Gates, rotations, sums

  func gate(_ f: Activation, _ z: Tensor, _ u: Tensor) -> Tensor {
    made(z.shape, zip(get(z), get(u)).map { self.f(f, $0).value * $1 })
  }

  func gateBackward(_ f: Activation, _ dy: Tensor, _ z: Tensor, _ u: Tensor) -> (dz: Tensor, du: Tensor) {
    let (values, arrived) = (get(z).map { self.f(f, $0) }, get(dy))
    let dz = zip(zip(arrived, get(u)), values).map { $0.0 * $0.1 * $1.slope }
    return (made(dy.shape, dz), made(dy.shape, zip(arrived, values).map { $0 * $1.value }))
  }

  func rotate(_ x: Tensor, _ rotation: Rotation, _ rows: Rows, backwards: Bool, rounds: Bool) -> Tensor {
    let (cosines, sines, half) = (get(rotation.cosines), get(rotation.sines), rotation.width / 2)
    let values = get(x)
    let turned = values.indices.map { index in
      let place = index % rotation.width
      let angle = Int(rows.keys[index / x.columns].position) * half + place % half
      let other = place < half ? -values[index + half] : values[index - half]
      return values[index] * cosines[angle] + other * (backwards ? -sines[angle] : sines[angle])
    }
    return made(x.shape, turned)
  }

  func sum(_ x: Tensor, _ y: Tensor) -> Tensor { made(x.shape, zip(get(x), get(y)).map { $0 + $1 }) }
  func scaled(_ x: Tensor, by factor: Float) -> Tensor { made(x.shape, get(x).map { $0 * Double(factor) }) }

  func columns(of x: Tensor, _ range: Range<Int>) -> Tensor {
    let all = Array(0..<x.columns)[range]
    return made([x.rows, range.count], rows(x).flatMap { row in all.map { row[row.startIndex + $0] } })
  }

  func addColumns(_ x: Tensor, to: Tensor, at column: Int) {
    let values = get(x)
    change(to) { target in
      for (index, value) in values.enumerated() {
        target[index / x.columns * to.columns + column + index % x.columns] += value
      }
    }
  }

  // MARK: - Linear maps

  /// x·wᵀ, rows of both given.
  func times(_ x: [ArraySlice<Double>], _ w: [ArraySlice<Double>]) -> [Double] {
    x.flatMap { row in w.map { dot(row, $0) } }
  }

  func transposed(_ x: [Double], columns: Int) -> [ArraySlice<Double>] {
    (0..<columns).map { column in ArraySlice(stride(from: column, to: x.count, by: columns).map { x[$0] }) }
  }

  func weight(_ weight: Weight) -> [Double] {
    weight.device === self ? get(weight.fp32) : [Double](repeating: 0.5, count: weight.count)
  }

  func dropped(_ x: Tensor, _ mask: DropoutMask?) -> [ArraySlice<Double>] {
    guard let mask else { return rows(x) }
    return rows(x).enumerated().map { row, values in
      ArraySlice(values.enumerated().map { keep(mask.site, mask.rows.keys[row], x.columns, $0.offset) * $0.element })
    }
  }

  func f(_ activation: Activation, _ z: Double) -> (value: Double, slope: Double) {
    switch activation {
    case .identity: return (z, 1)
    case .tanh: return (tanh(z), 1 - tanh(z) * tanh(z))
    case .silu:
      let sigma = 1 / (1 + exp(-z))
      return (z * sigma, sigma * (1 + z * (1 - sigma)))
    case .gelu:
      let below = erfc(-z / 2.squareRoot()) / 2
      return (z * below, below + z * exp(-z * z / 2) / (2 * Double.pi).squareRoot())
    case .geluTanh:
      let scale = (2 / Double.pi).squareRoot()
      let t = tanh(scale * (z + 0.044715 * z * z * z))
      return (z * (1 + t) / 2, (1 + t) / 2 + z * (1 - t * t) / 2 * scale * (1 + 3 * 0.044715 * z * z))
    }
  }

  func linear(_ x: Tensor, _ pass: LinearPass, keeps: Bool) -> (y: Tensor, derivative: Tensor?, low: Tensor?) {
    let shape = [x.rows, pass.outputs]
    let bias = pass.bias.map(weight)
    let w = weight(pass.weight)
    let matrix = (0..<pass.outputs).map { w[$0 * pass.inputs..<($0 + 1) * pass.inputs] }
    var z = times(rows(x), matrix)
    var low: Tensor?
    if let adapter = pass.adapter {
      let u = made([x.rows, adapter.rank], times(dropped(x, pass.mask), rows(adapter.down.value)))
      for (index, value) in times(rows(u), rows(adapter.up.value)).enumerated() {
        z[index] += Double(adapter.scale) * value
      }
      low = u
    }
    let results = z.enumerated().map { f(pass.activation, $1 + (bias?[$0 % pass.outputs] ?? 0)) }
    let derivative = keeps && pass.activation != .identity ? made(shape, results.map(\.slope)) : nil
    return (made(shape, results.map(\.value)), derivative, keeps ? low : nil)
  }

  func linearBackward(
    _ dy: Tensor, _ pass: LinearPass, derivative: Tensor?, to dx: (target: Tensor, accumulate: Bool)?
  ) -> (dz: Tensor, du: Tensor?) {
    let dz = derivative.map { made(dy.shape, zip(get($0), get(dy)).map { $0 * $1 }) } ?? dy
    let du = pass.adapter.map { adapter in
      made(
        [dy.rows, adapter.rank],
        times(rows(dz), transposed(get(adapter.up.value), columns: adapter.rank)).map { $0 * Double(adapter.scale) })
    }
    guard let dx else { return (dz, du) }
    var sum = times(rows(dz), transposed(weight(pass.weight), columns: pass.inputs))
    if let adapter = pass.adapter, let du {
      let low = made(
        [dy.rows, pass.inputs], times(rows(du), transposed(get(adapter.down.value), columns: pass.inputs)))
      sum = zip(sum, dropped(low, pass.mask).flatMap { $0 }).map { $0 + $1 }
    }
    set(dx.target, dx.accumulate ? zip(get(dx.target), sum).map { $0 + $1 } : sum)
    return (dz, du)
  }

  func addLinearGradients(_ dz: Tensor, _ pass: LinearPass, x: Tensor?, low: Tensor?, du: Tensor?) {
    func addOuter(_ left: Tensor, _ right: [ArraySlice<Double>], _ scale: Double, to sum: Tensor?) {
      guard let sum else { return }
      let outer = times(
        transposed(get(left), columns: left.columns), transposed(right.flatMap { $0 }, columns: sum.columns))
      change(sum) { for (index, value) in outer.enumerated() { $0[index] += scale * value } }
    }
    addColumns(get(dz), to: pass.bias?.gradient)
    guard let x else { return }
    addOuter(dz, rows(x), 1, to: pass.weight.gradient)
    guard let adapter = pass.adapter, let low, let du else { return }
    addOuter(dz, rows(low), Double(adapter.scale), to: adapter.up.gradient)
    addOuter(du, dropped(x, pass.mask), 1, to: adapter.down.gradient)
  }

  func merge(_ adapter: Adapter, into weight: Tensor) {
    let product = times(
      rows(adapter.up.value), transposed(get(adapter.down.value), columns: adapter.down.columns))
    change(weight) { for (index, value) in product.enumerated() { $0[index] += Double(adapter.scale) * value } }
  }
}
