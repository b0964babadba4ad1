/// Every instruction class that this machine has, against the reference loops.
import CKernels
import Foundation
import TestKernels
import Testing

@testable import CPU
@testable import Tensors

/// Table of a class by name, and the reference's.
struct KernelPair: CustomTestStringConvertible, Sendable {
  let name: String
  var fast: retort_kernels { Self.emulated[name] ?? Kernels.named(name)!.table.pointee }
  var reference: retort_kernels { Kernels.named("reference")!.table.pointee }
  var testDescription: String { name }

  static let all = (Kernels.names.filter { Kernels.named($0) != nil } + emulated.keys.sorted()).map(KernelPair.init)

  private static var emulated: [String: retort_kernels] {
    [
      "avx2 with VNNI, emulated": retort_emulated_avx2vnni, "avx512, emulated": retort_emulated_avx512,
      "avx512bf16, emulated": retort_emulated_avx512bf16, "amx, emulated": retort_emulated_amx,
    ]
  }
}

/// Numbers that only need to be various, the same in every run.
func various(_ count: Int, _ stream: UInt64, _ range: Range<Float> = -2..<2) -> [Float] {
  [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
    retort_uniform(42, stream, range.lowerBound, range.upperBound, buffer.baseAddress!, count)
    initialized = count
  }
}

/// Largest difference, relative to the larger of 1 and the expected value's magnitude.
func error(_ found: [Float], _ expected: [Float]) -> Float {
  zip(found, expected).reduce(found.count == expected.count ? 0 : .infinity) {
    max($0, abs($1.0 - $1.1) / max(1, abs($1.1)))
  }
}

/// Numbers in memory, as floats or rounded, that kernels fill and read.
final class Numbers {
  let count: Int
  private let bytes: UnsafeMutableRawPointer
  let place: retort_rounded

  init(_ count: Int, _ type: retort_type) {
    self.count = count
    bytes = .allocate(byteCount: 4 * count, alignment: 64)
    place = retort_rounded(values: bytes, type: type)
  }

  deinit { bytes.deallocate() }

  func write(_ x: [Float], by kernels: retort_kernels) {
    switch place.type {
    case RETORT_F32: bytes.copyMemory(from: x, byteCount: 4 * count)
    default: kernels.narrow(x, bytes.assumingMemoryBound(to: UInt16.self), count)
    }
  }

  var floats: [Float] {
    switch place.type {
    case RETORT_F32: Array(UnsafeBufferPointer(start: bytes.assumingMemoryBound(to: Float.self), count: count))
    default:
      (0..<count).map { Float(bitPattern: UInt32(bytes.load(fromByteOffset: 2 * $0, as: UInt16.self)) << 16) }
    }
  }
}

/// The numbers rounded to bf16.
func brains(_ x: [Float], by kernels: retort_kernels) -> [Float] {
  var rounded = x
  kernels.round(&rounded, x.count)
  return rounded
}

struct KernelTests {
  /// Rows and columns: less than a vector, whole vectors, and some over.
  static let shapes = [(3, 5), (2, 32), (7, 83), (5, 312)]

  @Test(.enabled(if: Kernels.named("openblas") != nil))
  func `what OpenBLAS decides is named by its version, its core, and the class that does the rest`() throws {
    let kernels = try #require(Kernels.named("openblas"))
    for precision in Precision.allCases {
      let words = kernels.profile(precision).instructions.split(separator: " ")
      #expect(words.count == 5 && words[0] == "openblas" && words[1].contains(".") && words[3] == "with")
      #expect(words.last.map { Kernels.names.contains(String($0)) } == true)
    }
  }

  @Test(arguments: KernelPair.all)
  func `exp has the stated relative error`(pair: KernelPair) {
    let x = (0..<20001).map { -87 + Float($0) * (175 / 20000) }
    var found = x
    var expected = x
    pair.fast.exponential(&found, x.count)
    pair.reference.exponential(&expected, x.count)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 2e-7 * $1 })
    var far: [Float] = [-.infinity, -200, 0]
    pair.fast.exponential(&far, 3)
    #expect(far == [0, 0, 1])
  }

  @Test(arguments: KernelPair.all, [RETORT_IDENTITY, RETORT_GELU, RETORT_TANH, RETORT_GELU_TANH, RETORT_SILU])
  func `activations and their derivatives equal the reference`(pair: KernelPair, f: retort_activation) {
    for (rows, columns) in Self.shapes {
      let bias = various(columns, 2)
      let results = [pair.fast, pair.reference].map { kernels in
        let found = [RETORT_F32, RETORT_BF16].map { type in
          let (y, slope) = (various(rows * columns, 1, -9..<9), Numbers(rows * columns, type))
          var values = y
          kernels.activate(f, &values, bias, slope.place, rows, columns)
          return (values, slope.floats)
        }
        #expect(found[1].0 == found[0].0 && found[1].1 == brains(found[0].1, by: kernels))
        return found[0]
      }
      #expect(error(results[0].0, results[1].0) < 4e-7)
      #expect(error(results[0].1, results[1].1) < 6e-7)
    }
  }

  @Test(arguments: KernelPair.all)
  func `gelu keeps its relative precision far on the negative side`(pair: KernelPair) {
    let z = (0..<1000).map { -8 + Float($0) * 0.008 }
    var (found, expected) = (z, z)
    pair.fast.activate(RETORT_GELU, &found, nil, retort_rounded(), 1, z.count)
    pair.reference.activate(RETORT_GELU, &expected, nil, retort_rounded(), 1, z.count)
    // exp's argument -z²/2 is itself rounded: at -8 that alone costs 32·6e-8.
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 4e-6 * abs($1) })
  }

  @Test func `gelu's tanh form is its formula, also where it saturates`() {
    let z: [Float] = [-1000, -6, -1, -0.5, 0, 0.5, 1, 3, 1000]
    for kernels in KernelPair.all.flatMap({ [$0.fast, $0.reference] }) {
      var found = z
      let slopes = Numbers(z.count, RETORT_F32)
      kernels.activate(RETORT_GELU_TANH, &found, nil, slopes.place, 1, z.count)
      let slope = slopes.floats
      for (index, value) in z.enumerated() {
        let (x, scale) = (Double(value), (2 / Double.pi).squareRoot())
        let t = tanh(scale * (x + 0.044715 * x * x * x))
        let inner = scale * (1 + 3 * 0.044715 * x * x)
        let derivative = (1 + t) / 2 + x * (1 - t * t) / 2 * inner
        #expect(abs(Double(found[index]) - x * (1 + t) / 2) <= 1e-6 * max(1, abs(x)), "at \(x)")
        #expect(abs(Double(slope[index]) - derivative) <= 1e-6, "slope at \(x)")
      }
    }
  }

  @Test(arguments: KernelPair.all, [(1, 0, true), (1, 1, false), (0, 0, false), (0, 1, true)])
  func `norms and their gradients equal the reference`(
    pair: KernelPair, form: (centred: Int32, shift: Float, beta: Bool)
  ) {
    for (rows, columns) in Self.shapes {
      let (x, residual, dy) = (various(rows * columns, 1), various(rows * columns, 2), various(rows * columns, 3))
      let (gamma, beta) = (various(columns, 4), various(columns, 5))
      let results = [pair.fast, pair.reference].map { kernels in
        var (y, inverse, sums) = (x, [Float](repeating: 0, count: rows), beta)
        let (n, halves) = (Numbers(x.count, RETORT_F32), Numbers(x.count, RETORT_BF16))
        let gradients = gamma.withUnsafeBufferPointer { gamma in
          beta.withUnsafeBufferPointer { beta in
            var norm = retort_norm(
              gamma: gamma.baseAddress, beta: form.beta ? beta.baseAddress : nil, shift: form.shift, eps: 1e-12,
              centred: form.centred)
            for n in [halves, n] { kernels.norm(&norm, x, residual, &y, n.place, &inverse, rows, columns) }
            func gradients(_ n: retort_rounded) -> [[Float]] {
              var (dx, dgamma, dbeta) = (x, Array(gamma), Array(beta))
              kernels.norm_backward(&norm, dy, n, inverse, &dx, rows, columns)
              if form.beta {
                kernels.norm_weights(dy, n, &dgamma, &dbeta, rows, columns, 0, columns)
              } else {
                kernels.norm_weights(dy, n, &dgamma, nil, rows, columns, 0, columns)
              }
              return [dx, dgamma, dbeta]
            }
            var rounded = halves.floats
            let widened = rounded.withUnsafeMutableBytes {
              gradients(retort_rounded(values: $0.baseAddress, type: RETORT_F32))
            }
            #expect(gradients(halves.place) == widened)
            return gradients(n.place)
          }
        }
        kernels.column_sums(dy, 0.5, &sums, rows, columns, 0, columns)
        #expect(halves.floats == brains(n.floats, by: kernels))
        return [y, n.floats, inverse, sums] + gradients
      }
      for (found, expected) in zip(results[0], results[1]) { #expect(error(found, expected) < 4e-6) }
    }
  }

  @Test(arguments: KernelPair.all, [RETORT_IDENTITY, RETORT_GELU, RETORT_TANH, RETORT_GELU_TANH, RETORT_SILU])
  func `gated activations and their gradients equal the reference`(pair: KernelPair, f: retort_activation) {
    for count in Self.shapes.map({ $0.0 * $0.1 }) {
      let (z, u, dy) = (various(count, 1, -9..<9), various(count, 2), various(count, 3))
      let results = [pair.fast, pair.reference].map { kernels in
        var y = z
        kernels.gate(f, z, u, &y, count)
        let gradients = [RETORT_F32, RETORT_BF16].flatMap { type in
          let kept = [z, u].map { values in
            let numbers = Numbers(count, type)
            numbers.write(values, by: kernels)
            return numbers
          }
          var (dz, du) = (z, u)
          kernels.gate_backward(f, dy, kept[0].place, kept[1].place, &dz, &du, count)
          return [dz, du]
        }
        return [y] + gradients
      }
      for (found, expected) in zip(results[0], results[1]) { #expect(error(found, expected) < 4e-6) }
    }
  }

  @Test(arguments: KernelPair.all) func `exponentials of columns, block by block, equal the reference`(pair: KernelPair)
  {
    for (rows, columns) in Self.shapes {
      let blocks = (1...3).map { various(rows * columns, $0, -20..<20) }
      let factors = various(columns, 5)
      let results = [pair.fast, pair.reference].map { kernels in
        var (peaks, totals) = ([Float](repeating: -.infinity, count: columns), [Float](repeating: 0, count: columns))
        for block in blocks { kernels.add_exponentials(block, rows, columns, 0, columns, &peaks, &totals) }
        var slopes = blocks[0]
        kernels.spread_exponentials(
          &slopes, rows, columns, 0, columns, zip(peaks, totals).map { $0 + log($1) }, factors)
        return [peaks, totals, slopes]
      }
      for (found, expected) in zip(results[0], results[1]) { #expect(error(found, expected) < 4e-6) }
    }
  }

  @Test(arguments: KernelPair.all) func `rotations equal the reference, and the way back undoes them`(pair: KernelPair)
  {
    for (heads, width) in [(1, 2), (3, 10), (2, 32), (2, 70), (4, 128)] {
      let rows = [3, 0, 7].map { retort_row(sequence: 0, position: $0) }
      let (x, angles) = (various(rows.count * heads * width, 1), various(8 * width / 2, 2))
      let (cosines, sines) = (angles.map(cosf), angles.map(sinf))
      func turned(_ kernels: retort_kernels, _ x: [Float], backwards: Bool) -> [Float] {
        var y = x
        kernels.rotate(x, rows, cosines, sines, backwards ? 1 : 0, &y, rows.count, heads, width)
        return y
      }
      let found = turned(pair.fast, x, backwards: false)
      #expect(error(found, turned(pair.reference, x, backwards: false)) < 4e-7)
      #expect(error(turned(pair.fast, found, backwards: true), x) < 6e-7)
    }
  }

  @Test(arguments: KernelPair.all)
  func `elementwise passes and scatters equal the reference`(pair: KernelPair) {
    for (rows, columns) in Self.shapes {
      let (a, b) = (various(rows * columns, 1), various(rows * columns, 2))
      let ids = (0..<rows).map { Int32($0 * 5 % 3) }
      let tables = various(3 * columns, 3)
      let results = [pair.fast, pair.reference].map { kernels in
        var (total, scaled, table) = (a, a, tables)
        let products = [RETORT_F32, RETORT_BF16].map { type in
          let (factor, product) = (Numbers(a.count, type), Numbers(a.count, RETORT_F32))
          factor.write(b, by: kernels)
          kernels.multiply(a, factor.place, product.place.values.assumingMemoryBound(to: Float.self), a.count)
          return product.floats
        }
        kernels.add(b, &total, a.count)
        kernels.add_scaled(b, 0.3, &scaled, a.count)
        kernels.scatter(ids, b, &table, rows, columns, 0, columns)
        return products + [total, scaled, table]
      }
      for (found, expected) in zip(results[0], results[1]) { #expect(error(found, expected) < 2e-7) }
    }
  }

  @Test(arguments: KernelPair.all)
  func `rounding to bf16 and back equals the reference`(pair: KernelPair) {
    for count in [1, 15, 16, 17, 300] {
      let edges: [Float] = [.nan, -.infinity, .infinity, 1.00390625, -1.01171875, 3.4e38, 0, .init(bitPattern: 71362)]
      let x = various(count, 1).enumerated().map { $0.offset < edges.count ? edges[$0.offset] : $0.element }
      let results = [pair.fast, pair.reference].map { kernels in
        var brains = [UInt16](repeating: 7, count: count + 1)
        var floats = [Float](repeating: 7, count: count + 1)
        var rounded = x
        kernels.round(&rounded, count)
        kernels.narrow(x, &brains, count)
        kernels.widen(brains, RETORT_BF16, &floats, count)
        #expect(zip(rounded, floats).allSatisfy { $0.isNaN ? $1.isNaN : $0.bitPattern == $1.bitPattern })
        return (brains, floats)
      }
      #expect(results[0].0 == results[1].0)
      #expect(zip(results[0].1, results[1].1).allSatisfy { $0.bitPattern == $1.bitPattern })
      #expect(results[0].0.last == 7 && results[0].1.last == 7)
    }
  }

  @Test(arguments: KernelPair.all, [RETORT_BF16, RETORT_F16])
  func `every half is widened to its float, aligned or not`(pair: KernelPair, type: retort_type) {
    // A byte in front.
    let bytes = [0] + (0...UInt16.max).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let results = [pair.fast, pair.reference].map { kernels in
      bytes.withUnsafeBytes { bytes in
        [Float](unsafeUninitializedCapacity: 1 << 16) { out, initialized in
          kernels.widen(bytes.baseAddress! + 1, type, out.baseAddress!, 1 << 16)
          initialized = 1 << 16
        }
      }
    }
    #expect(zip(results[0], results[1]).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN })
  }

  @Test(arguments: KernelPair.all)
  func `dropout drops the same elements as the reference`(pair: KernelPair) {
    for (rows, columns) in Self.shapes {
      let x = various(rows * columns, 1)
      let keys = (0..<rows).map { retort_row(sequence: 1 << 40 + UInt64($0), position: UInt32($0) * 3) }
      var dropout = retort_dropout(key: 0x1234_5678_9ABC_DEF0, site: 7, threshold: 19661, scale: 1.43)
      let masks = [pair.fast, pair.reference].map { kernels in
        // A byte more, which must stay.
        var kept = [UInt8](repeating: 0xA5, count: rows * ((columns + 127) / 128 * 16) + 1)
        kernels.dropout_mask(&dropout, keys, &kept, rows, columns)
        return kept
      }
      #expect(masks[0] == masks[1])
      for accumulate: Int32 in [0, 1] {
        let results = [pair.fast, pair.reference].map { kernels in
          var out = x
          kernels.dropout(masks[1], dropout.scale, x, &out, accumulate, rows, columns)
          return out
        }
        #expect(error(results[0], results[1]) < 2e-7)
      }
    }
  }

  /// Known answers of Random123's distribution.
  @Test func `Philox gives the published words`() {
    func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
      var out: [UInt32] = [0, 0, 0, 0]
      retort_philox(counter, key, &out)
      let words = Philox.words(
        counter: (counter[0], counter[1], counter[2], counter[3]), key: UInt64(key[1]) << 32 | UInt64(key[0]))
      #expect((0..<4).allSatisfy { words[$0] == out[$0] })
      return out
    }
    let ones = UInt32.max
    #expect(philox([0, 0, 0, 0], [0, 0]) == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8])
    #expect(philox([ones, ones, ones, ones], [ones, ones]) == [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD])
    #expect(
      philox([0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0])
        == [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1])
  }

  @Test func `uniform and normal numbers have their moments`() {
    let engine = CPU(threads: 1)
    let uniform = engine.uniform([40000], -1..<3, seed: 1, stream: 2).array.map(Double.init)
    let normal = engine.normal([40000], deviation: 2, seed: 1, stream: 2).array.map(Double.init)
    func moments(_ x: [Double]) -> (mean: Double, variance: Double) {
      let mean = x.reduce(0, +) / Double(x.count)
      return (mean, x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count))
    }
    #expect(abs(moments(uniform).mean - 1) < 0.03 && abs(moments(uniform).variance - 16 / 12) < 0.03)
    #expect(abs(moments(normal).mean) < 0.05 && abs(moments(normal).variance - 4) < 0.15)
    #expect(uniform.allSatisfy { (-1..<3).contains($0) })
  }
}
