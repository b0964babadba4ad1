/// A device in plain loops: every operation as its formula says, in double, over arrays of the host. Nothing is fast.
/// Its memory, search and training; layers and attention have files of their own.
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

  func get(_ x: Tensor) -> [Double] {
    // A tensor that nothing was written to, or another device's in a rehearsal.
    guard x.device === self else { return [Double](repeating: 0.5, count: x.count) }
    return arrays.withLock { $0.at[x.memory.address] } ?? [Double](repeating: 0, count: x.count)
  }

  func set(_ x: Tensor, _ values: [Double]) {
    if x.device === self { arrays.withLock { $0.at[x.memory.address] = values.map { Double(Float($0)) } } }
  }

  func change(_ x: Tensor, _ body: (inout [Double]) -> Void) {
    var values = get(x)
    body(&values)
    set(x, values)
  }

  func made(_ shape: [Int], _ values: [Double]) -> Tensor {
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
  func decoded(_ x: CodedMatrix) -> Tensor {
    let (codes, absmax, levels) = (get(x.codes), get(x.absmax), get(x.levels))
    return made(
      x.shape,
      (0..<x.count).map { index in
        let most = Float(absmax[index / x.block])
        if x.format == .int8 { return Double(Float(Int8(truncatingIfNeeded: Int(codes[index]))) * (most * (1 / 127))) }
        let both = Int(codes[index / 2])
        return Double(Float(levels[index % 2 == 0 ? both / 16 : both % 16]) * most)
      })
  }

  func encoded(_ x: StoredTensor, as format: CodeFormat, block: Int) -> CodedMatrix {
    precondition(format != .int8, "no test asks for it")
    let values = get(tensor(x, as: .f32)).map(Float.init)
    let blocks = (values.count + block - 1) / block
    let coded = CodedMatrix(
      x.shape, format, block: block, codes: uninitialized([(values.count + 1) / 2], .u8),
      absmax: uninitialized([blocks]))
    let absmax = (0..<blocks).map { values[$0 * block..<min($0 * block + block, values.count)].map(abs).max() ?? 0 }
    var codes = [Double](repeating: 0, count: (values.count + 1) / 2)
    for index in 0..<2 * codes.count {
      let scaled = index < values.count ? values[index] / max(absmax[index / block], 1e-38) : 0
      let code = zip(format.levels, format.levels.dropFirst()).filter { ($0 + $1) / 2 < scaled }.count
      codes[index / 2] += Double(index % 2 == 0 ? 16 * code : code)
    }
    set(coded.codes, codes)
    set(coded.absmax, absmax.map(Double.init))
    return coded
  }

  func isFinite(_ x: Tensor) -> Bool { get(x).allSatisfy(\.isFinite) }
  func converted(_ x: Tensor, to dtype: DType) -> Tensor { made(x.shape, get(x)) }
  func add(_ x: Tensor, to: Tensor) { set(to, zip(get(x), get(to)).map { $0 + $1 }) }

  func copyRows(_ rows: Range<Int>, of x: Tensor, to: Tensor, at place: Int) {
    let values = get(x)[rows.lowerBound * x.columns..<rows.upperBound * x.columns]
    change(to) { $0.replaceSubrange(place * x.columns..<(place + rows.count) * x.columns, with: values) }
  }
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

  func rows(_ x: Tensor) -> [ArraySlice<Double>] {
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

  func dot(_ x: some Sequence<Double>, _ y: some Sequence<Double>) -> Double {
    zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
  }

  // MARK: - Dropout

  func mask(_ rows: Int, _ columns: Int) -> Tensor { uninitialized([1], .u8) }

  func dropout(_ x: Tensor, _ mask: DropoutMask, draws: Bool) -> Tensor {
    made(x.shape, dropped(x, mask).flatMap { $0 })
  }

  /// The factor of element `e` of a row `width` wide: 0, or what makes up for it.
  func keep(_ site: DropoutSite, _ row: Rows.Key, _ width: Int, _ e: Int) -> Double {
    let place = (Int(row.position) * ((width + 127) / 128) + e / 128) * 16 + e % 16
    let words = Philox.words(
      counter: (
        UInt32(truncatingIfNeeded: row.sequence), UInt32(truncatingIfNeeded: row.sequence >> 32), site.site,
        UInt32(truncatingIfNeeded: place)
      ), key: site.key)
    let lane = e / 16 % 8
    return (words[lane / 2] >> UInt32(lane % 2 * 16)) & 0xFFFF >= site.threshold ? Double(site.scale) : 0
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
