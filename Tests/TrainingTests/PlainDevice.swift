/// A device in one file: every operation as its formula says, in double, over arrays of the host. Nothing is fast.
import Foundation
import Synchronization
import Tensors

final class PlainDevice: Device {
  let numerics = NumericsProfile(.fp32, by: "plain")
  let meter = Meter()
  let threads = 1
  /// What lies at each address; whatever the type of a tensor, its elements are numbers.
  private let arrays = Mutex((next: UInt(1), at: [UInt: [Double]]()))

  func rehearse(_ body: (any Device) throws -> Void) rethrows -> Int {
    let double = PlainDevice()
    try body(double)
    return double.meter.peak
  }

  // MARK: - Memory

  func allocate(bytes: Int) -> Memory {
    let address = arrays.withLock {
      $0.next += 1
      return $0.next
    }
    return Memory(of: self, at: address, bytes: bytes)
  }

  func free(_ address: UInt, bytes: Int) { arrays.withLock { $0.at[address] = nil } }

  private func get(_ x: Tensor) -> [Double] {
    // A tensor that nothing was written to, or another device's in a rehearsal.
    guard x.device === self else { return [Double](repeating: 0.5, count: x.count) }
    return arrays.withLock { $0.at[x.memory.address] } ?? [Double](repeating: 0, count: x.count)
  }

  private func set(_ x: Tensor, _ values: [Double]) {
    if x.device === self { arrays.withLock { $0.at[x.memory.address] = values.map { Double(Float($0)) } } }
  }

  private func change(_ x: Tensor, _ body: (inout [Double]) -> Void) {
    var values = get(x)
    body(&values)
    set(x, values)
  }

  private func made(_ shape: [Int], _ values: [Double]) -> Tensor {
    let tensor = uninitialized(shape)
    set(tensor, values)
    return tensor
  }

  func write(_ stored: StoredTensor, to x: Tensor) {
    let values = stored.bytes.withUnsafeBytes { bytes in
      (0..<stored.shape.reduce(1, *)).map { index -> Double in
        func load<T: BitwiseCopyable>(_: T.Type) -> T {
          bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self)
        }
        return switch stored.dtype {
        case .f32: Double(load(Float.self))
        case .f16: Double(load(Float16.self))
        case .bf16: Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16))
        case .i32: Double(load(Int32.self))
        case .u8: Double(load(UInt8.self))
        }
      }
    }
    set(x, values)
  }

  func read(_ x: Tensor) -> Data { get(x).map(Float.init).withUnsafeBytes { Data($0) } }
  func copy(_ x: Tensor, to: Tensor) { set(to, get(x)) }
  func fill(_ x: Tensor, _ value: Float) { set(x, [Double](repeating: Double(value), count: x.count)) }
  func isFinite(_ x: Tensor) -> Bool { get(x).allSatisfy(\.isFinite) }
  func converted(_ x: Tensor, to dtype: DType) -> Tensor { made(x.shape, get(x)) }
  func add(_ x: Tensor, to: Tensor) { set(to, zip(get(x), get(to)).map { $0 + $1 }) }

  func copyRows(of x: Tensor, to: Tensor, at places: [Int]) {
    let (source, width) = (get(x), x.columns)
    change(to) { target in
      for (row, place) in places.enumerated() {
        target.replaceSubrange(place * width..<(place + 1) * width, with: source[row * width..<(row + 1) * width])
      }
    }
  }

  func normalizeRows(_ x: Tensor, floor: Double) {
    set(
      x,
      rows(x).flatMap { row in
        let norm = max(row.reduce(0) { $0 + $1 * $1 }.squareRoot(), floor)
        return row.map { $0 / norm }
      })
  }

  private func rows(_ x: Tensor) -> [ArraySlice<Double>] {
    let values = get(x)
    return (0..<x.rows).map { values[$0 * x.columns..<($0 + 1) * x.columns] }
  }

  // MARK: - Search

  private final class Laid: SearchedRows {
    let rows: [[Double]]
    var count: Int { rows.count }
    init(_ rows: [[Double]]) { self.rows = rows }
  }

  func searched(_ x: Tensor, _ range: Range<Int>) -> SearchedRows { Laid(rows(x)[range].map(Array.init)) }

  func products(of x: Tensor, _ range: Range<Int>, with y: SearchedRows) -> [Float] {
    rows(x)[range].flatMap { row in (y as! Laid).rows.map { Float(dot(row, $0)) } }
  }

  private func dot(_ x: some Sequence<Double>, _ y: some Sequence<Double>) -> Double {
    zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
  }

  // MARK: - Embedding, norm, pooling

  func embed(_ tables: [EmbeddedTable]) -> Tensor {
    let width = tables[0].table.columns
    let parts = tables.map { part in
      let table = get(part.table.value)
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

  private func factors(_ norm: Norm) -> [Double] { get(norm.gamma.value).map { $0 + Double(norm.shift) } }

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

  private func addColumns(_ values: [Double], to sum: Tensor?) {
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
  private func times(_ x: [ArraySlice<Double>], _ w: [ArraySlice<Double>]) -> [Double] {
    x.flatMap { row in w.map { dot(row, $0) } }
  }

  private func transposed(_ x: [Double], columns: Int) -> [ArraySlice<Double>] {
    (0..<columns).map { column in ArraySlice(stride(from: column, to: x.count, by: columns).map { x[$0] }) }
  }

  private func weight(_ weight: Weight) -> [Double] {
    weight.device === self ? get(weight.fp32) : [Double](repeating: 0.5, count: weight.count)
  }

  private func dropped(_ x: Tensor, _ mask: DropoutMask?) -> [ArraySlice<Double>] {
    guard let mask else { return rows(x) }
    return rows(x).enumerated().map { row, values in
      ArraySlice(values.enumerated().map { keep(mask.site, mask.rows.keys[row], x.columns, $0.offset) * $0.element })
    }
  }

  private func f(_ activation: Activation, _ z: Double) -> (value: Double, slope: Double) {
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

  // MARK: - Dropout

  func mask(_ rows: Int, _ columns: Int) -> Tensor { uninitialized([1], .u8) }

  func dropout(_ x: Tensor, _ mask: DropoutMask, draws: Bool) -> Tensor {
    made(x.shape, dropped(x, mask).flatMap { $0 })
  }

  /// The factor of element `e` of a row `width` wide: 0, or what makes up for it.
  private func keep(_ site: DropoutSite, _ row: Rows.Key, _ width: Int, _ e: Int) -> Double {
    let place = (Int(row.position) * ((width + 127) / 128) + e / 128) * 16 + e % 16
    let words = Philox.words(
      counter: (
        UInt32(truncatingIfNeeded: row.sequence), UInt32(truncatingIfNeeded: row.sequence >> 32), site.site,
        UInt32(truncatingIfNeeded: place)
      ), key: site.key)
    let lane = e / 16 % 8
    return (words[lane / 2] >> UInt32(lane % 2 * 16)) & 0xFFFF >= site.threshold ? Double(site.scale) : 0
  }

  // MARK: - Attention

  /// Calls `body` for each head and sequence with its queries' and keys' rows and columns.
  private func forEachHead(
    _ pass: AttentionPass, width: Int,
    _ body: (_ queries: Range<Int>, _ keys: Range<Int>, _ q: Range<Int>, _ k: Range<Int>, _ kept: (Int, Int) -> Double)
      -> Void
  ) {
    for sequence in 0..<pass.batch.count {
      let keys = pass.batch.offsets[sequence]..<pass.batch.offsets[sequence + 1]
      for head in 0..<pass.heads {
        let shared = head * pass.keyValueHeads / pass.heads
        body(
          pass.first ? sequence..<sequence + 1 : keys, keys, head * width..<(head + 1) * width,
          shared * width..<(shared + 1) * width
        ) { query, key in
          guard let dropout = pass.dropout else { return 1 }
          let row = Rows.Key(sequence: pass.batch.sequenceKeys[sequence], position: UInt32(query))
          return self.keep(dropout.head(head), row, keys.count, key)
        }
      }
    }
  }

  private func cut(_ x: [ArraySlice<Double>], _ row: Int, _ columns: Range<Int>) -> ArraySlice<Double> {
    x[row][x[row].startIndex + columns.lowerBound..<x[row].startIndex + columns.upperBound]
  }

  /// Where the bias between a query and a key lies, of the head whose columns begin at `column`.
  private func biasPlace(_ pass: AttentionPass, _ column: Int, width: Int, _ query: Int, _ key: Int) -> Int {
    (pass.batch.longest - 1 + key - query) * pass.heads + column / width
  }

  /// Softmax of a query's scores.
  private func probabilities(
    _ query: ArraySlice<Double>, _ keys: [ArraySlice<Double>], at place: Int, _ pass: AttentionPass,
    bias: (Int) -> Double
  ) -> [Double] {
    let seen = place - (pass.sight.before ?? place)...place + (pass.sight.after ?? keys.count)
    let scores = keys.enumerated().map {
      seen.contains($0) ? exp(dot(query, $1) * Double(pass.scale) + bias($0)) : 0
    }
    let total = scores.reduce(0, +)
    return scores.map { $0 / total }
  }

  func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, keeps: Bool
  ) -> (out: Tensor, sums: Tensor?) {
    let (qs, ks, vs, bias) = (rows(q), rows(k), rows(v), pass.bias.map(get))
    var out = [Double](repeating: 0, count: q.count)
    forEachHead(pass, width: q.columns / pass.heads) { queries, keys, own, shared, kept in
      for (index, query) in queries.enumerated() {
        let p = probabilities(
          cut(qs, query, own), keys.map { cut(ks, $0, shared) }, at: index, pass
        ) { bias?[biasPlace(pass, own.lowerBound, width: own.count, index, $0)] ?? 0 }
        for (place, key) in keys.enumerated() {
          for (column, value) in zip(own, cut(vs, key, shared)) {
            out[query * q.columns + column] += kept(index, place) * p[place] * value
          }
        }
      }
    }
    return (made(q.shape, out), keeps ? uninitialized([1]) : nil)
  }

  func attentionBackward(
    _ gradient: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, out: Tensor, sums: Tensor
  ) -> (dq: Tensor, dk: Tensor, dv: Tensor, dbias: Tensor?) {
    let (qs, ks, vs, arrived, bias) = (rows(q), rows(k), rows(v), rows(gradient), pass.bias.map(get))
    let block = pass.distances * pass.heads
    var dbias = [Double](repeating: 0, count: pass.batch.chunks.count * block)
    var (dq, dk, dv) = (
      [Double](repeating: 0, count: q.count), [Double](repeating: 0, count: k.count),
      [Double](repeating: 0, count: v.count)
    )
    let width = q.columns / pass.heads
    forEachHead(pass, width: width) { queries, keys, own, shared, kept in
      for (index, query) in queries.enumerated() {
        let p = probabilities(
          cut(qs, query, own), keys.map { cut(ks, $0, shared) }, at: index, pass
        ) { bias?[biasPlace(pass, own.lowerBound, width: own.count, index, $0)] ?? 0 }
        let dout = cut(arrived, query, own)
        let dp = keys.enumerated().map { kept(index, $0) * dot(dout, cut(vs, $1, shared)) }
        let delta = dot(p, dp)
        for (place, key) in keys.enumerated() {
          let chunk = pass.batch.chunks.firstIndex { pass.batch.offsets[$0.upperBound] > keys.lowerBound }!
          let difference = p[place] * (dp[place] - delta)
          dbias[chunk * block + biasPlace(pass, own.lowerBound, width: width, index, place)] += difference
          let slope = difference * Double(pass.scale)
          for column in 0..<width {
            let (left, right) = (query * q.columns + own.lowerBound, key * k.columns + shared.lowerBound)
            dq[left + column] += slope * ks[key][ks[key].startIndex + shared.lowerBound + column]
            dk[right + column] += slope * qs[query][qs[query].startIndex + own.lowerBound + column]
            dv[right + column] += kept(index, place) * p[place] * dout[dout.startIndex + column]
          }
        }
      }
    }
    return (made(q.shape, dq), made(k.shape, dk), made(v.shape, dv), pass.bias.map { made($0.shape, dbias) })
  }

  // MARK: - Scores of tokens

  func add(_ z: Tensor, from first: Int, to sums: VocabularySums) {
    let (values, targets, before) = (get(z), get(sums.targets), get(sums.peaks))
    let columns = transposed(values, columns: z.columns)
    let peaks = zip(columns, before).map { max($0.max()!, $1) }
    change(sums.totals) { totals in
      for (index, column) in columns.enumerated() {
        totals[index] *= exp(before[index] - peaks[index])
        totals[index] += column.reduce(0) { $0 + exp($1 - peaks[index]) }
      }
    }
    set(sums.peaks, peaks)
    change(sums.chosen) { chosen in
      for (index, target) in targets.enumerated() where (first..<first + z.rows).contains(Int(target)) {
        chosen[index] = values[(Int(target) - first) * z.columns + index]
      }
    }
  }

  func spread(_ z: Tensor, from first: Int, _ sums: VocabularySums, logSums: Tensor, _ ds: Tensor) {
    let (targets, logSums, arrived) = (get(sums.targets), get(logSums), get(ds))
    change(z) { values in
      for index in values.indices {
        let (row, column) = (index / z.columns, index % z.columns)
        let isTarget = Int(targets[column]) == first + row
        values[index] = arrived[column] * ((isTarget ? 1 : 0) - exp(values[index] - logSums[column]))
      }
    }
  }

  // MARK: - Training

  func sumOfSquares(_ tensors: [Tensor]) -> Double { tensors.reduce(0) { get($1).reduce($0) { $0 + $1 * $1 } } }

  func adamW(_ moves: [AdamWMove], _ step: AdamWStep) {
    for move in moves {
      guard let gradient = move.weight.gradient else { continue }
      let g = get(gradient).map { $0 * Double(step.gradientScale) }
      let m = zip(get(move.first), g).map { $0 + ($1 - $0) * Double(step.beta1Complement) }
      let v = zip(get(move.second), g).map { $0 * Double(step.beta2) + $1 * $1 * Double(step.beta2Complement) }
      set(move.first, m)
      set(move.second, v)
      let decay = move.weight.decays ? Double(step.decay) : 1
      change(move.weight.value) { values in
        for index in values.indices {
          let denominator = v[index].squareRoot() / Double(step.secondBiasCorrection) + Double(step.epsilon)
          values[index] = values[index] * decay - Double(step.rate) * m[index] / denominator
        }
      }
      move.weight.changed()
    }
  }
}
