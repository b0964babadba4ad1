/// Products of every class that this machine has, or that is emulated, against the reference loops.
import CKernels
import TestKernels
import TestSupport
import Testing

@testable import CPU
@testable import Tensors

struct ProductTests {
  /// Rounding of sums of `depth` products of numbers up to 1, a bit more than measured.
  private func tolerance(depth: Int) -> Float { 4e-6 + 6e-8 * Float(depth) }

  private func cases(_ seed: UInt64, _ precision: product_precision) -> [product_case] {
    var random = SplitMix(state: seed)
    func size(_ most: Int) -> Int { Int.random(in: 1...most, using: &random) }
    let shapes =
      (0..<12).map { _ in (size(300), size(300), size(300)) } + [
        (13, 384, 1536), (100, 1536, 384), (3, 4096, 1024), (5, 1024, 4096), (1, 1, 1),
      ]
    return shapes.enumerated().map { index, shape in
      product_case(
        rows: shape.0, depth: shape.1, columns: shape.2, rank: index % 3 == 0 ? size(64) : 0, precision: precision,
        accumulate: Int32(index % 2), bias: index % 5 == 0 ? 0 : 1, derivative: index % 4 == 0 ? 0 : 1,
        activation: [RETORT_IDENTITY, RETORT_GELU, RETORT_TANH, RETORT_GELU_TANH][size(4) - 1],
        seed: seed + UInt64(index))
    }
  }

  @Test(arguments: KernelPair.all, [PRODUCTS_FP32, PRODUCTS_BF16, PRODUCTS_INT8])
  func `products equal the reference, read and write nothing else, and treat every row as if it were alone`(
    pair: KernelPair, precision: product_precision
  ) {
    var (fast, reference) = (pair.fast, pair.reference)
    for what in cases(3 + UInt64(precision.rawValue), precision) {
      let check = check_linear(&fast, &reference, what)
      #expect(check.error < tolerance(depth: what.depth), "\(what)")
      #expect(check.overwritten == 0 && check.variant == 0, "\(what)")
    }
  }

  @Test(arguments: KernelPair.all, [PRODUCTS_FP32, PRODUCTS_BF16, PRODUCTS_INT8])
  func `products with weights stored as halves have the bits of those with the weights widened`(
    pair: KernelPair, precision: product_precision
  ) {
    for var kernels in [pair.fast, pair.reference] {
      for var what in cases(7, precision) where what.depth * what.columns < 1 << 21 {
        (what.rank, what.derivative, what.rows) = (0, 0, 1 + what.rows / 4)
        for type in [RETORT_BF16, RETORT_F16] { #expect(check_stored(&kernels, what, type) == 0, "\(what)") }
      }
    }
  }

  @Test(arguments: KernelPair.all, [PRODUCTS_FP32, PRODUCTS_BF16, PRODUCTS_INT8])
  func `products with weights in codes have the bits of those with the weights decoded, in both directions`(
    pair: KernelPair, precision: product_precision
  ) {
    var reference = pair.reference
    for var kernels in [pair.fast, pair.reference] {
      for var what in cases(13, precision) where what.depth * what.columns < 1 << 21 {
        (what.rank, what.derivative, what.rows) = (0, 0, 1 + what.rows / 4)
        // Depths that vectors divide are decoded without a look at single codes.
        what.depth = what.seed % 2 == 0 ? what.depth : (what.depth + 15) / 16 * 16
        for eight in [0, 1] as [Int32] {
          #expect(check_coded(&kernels, &reference, what, eight) == 0, "\(what), \(eight == 0 ? 4 : 8) bits")
        }
      }
    }
  }

  @Test(arguments: KernelPair.all)
  func `codes and their largest magnitudes equal the reference`(pair: KernelPair) {
    var (fast, reference) = (pair.fast, pair.reference)
    for n in [1, 2, 15, 16, 17, 63, 64, 65, 1000, 4096, 5001] {
      for bits in [5, 6, 9, 12] as [UInt32] {
        #expect(check_codes(&fast, &reference, n, bits, CodeFormat.nf4.levels, UInt64(n)) == 0)
      }
      for scale in [1, 0, 3e-6, 1e5] as [Float] {
        #expect(check_row_codes(&fast, &reference, n, scale, UInt64(n)) == 0, "\(n), \(scale)")
      }
    }
  }

  @Test(arguments: KernelPair.all)
  func `int8 products have the reference's bits before anything else joins them`(pair: KernelPair) {
    var (fast, reference) = (pair.fast, pair.reference)
    for var what in cases(9, PRODUCTS_INT8) {
      (what.rank, what.accumulate, what.bias, what.activation) = (0, 0, 0, RETORT_IDENTITY)
      #expect(check_linear(&fast, &reference, what).unequal == 0, "\(what)")
    }
  }

  @Test(arguments: KernelPair.all, [Float.nan, .infinity, -.infinity])
  func `what is not finite makes NaN of its row or column in int8, and of nothing else`(pair: KernelPair, bad: Float) {
    var fast = pair.fast
    for (rows, depth, columns) in [(1, 1, 1), (5, 130, 37), (33, 129, 3)] {
      #expect(check_int8_poison(&fast, rows, depth, columns, bad) == 0)
    }
  }

  @Test(arguments: KernelPair.all)
  func `sums of outer products equal the reference, read and write nothing else, and may be cut anywhere`(
    pair: KernelPair
  ) {
    var (fast, reference) = (pair.fast, pair.reference)
    for what in cases(5, PRODUCTS_FP32) where what.depth * what.rows * what.columns < 1 << 24 {
      let check = check_outer(&fast, &reference, what)
      // Where b is rounded, a may be.
      let rounding = what.seed / 2 % 2 == 1 ? 1e-3 * (4 + Float(what.depth).squareRoot()) : 0
      #expect(check.error < tolerance(depth: what.depth) + rounding, "\(what)")
      #expect(check.overwritten == 0 && check.variant == 0, "\(what)")
    }
  }

  @Test func `bf16 rounds to even, and differs from fp32`() {
    let engine = CPU(threads: 1, precision: .bf16)
    // 257 and 259 lie halfway between neighbours in bf16; 1 and 2 are exact.
    let w = Weight("w", engine.tensor([1, 0, 0, 2], [2, 2]), decays: true)
    let x = Variable(value: engine.tensor([257, 259], [1, 2]), gradient: nil)
    let y = Tape(on: engine).linear(
      x, rows: PackedBatch([[0]]).tokenRows, weight: w, bias: Weight("b", engine.zeros([2]), decays: false),
      adapter: nil)
    #expect(y.value.array == [256, 520])
  }

  @Test func `int8 keeps whole numbers within its steps, zero rows and zero columns, and rounds the rest`() {
    let engine = CPU(threads: 1, precision: .int8)
    // The second row of W is 0, the first has steps of 1; a row of x from 0 to 254 has steps of 1 too.
    let w = Weight("w", engine.tensor([127, -3, 0, 0], [2, 2]), decays: true)
    let x = Variable(value: engine.tensor([254, 7, 254, 7.4, -127, 127, 0, 0], [4, 2]), gradient: nil)
    let y = Tape(on: engine).linear(
      x, rows: PackedBatch([[0, 0, 0, 0]]).tokenRows, weight: w,
      bias: Weight("b", engine.tensor([0, 5], [2]), decays: false), adapter: nil)
    #expect(y.value.array == [32237, 5, 32237, 5, -16510, 5, 0, 5])
  }

  @Test func `an adapter joins an int8 product in fp32`() {
    let engine = CPU(threads: 2, precision: .int8)
    func values(_ shape: [Int], _ stream: UInt64) -> Tensor { engine.uniform(shape, -1..<1, seed: 1, stream: stream) }
    let (w, x, factors) = (values([40, 200], 1), values([9, 200], 2), (values([4, 200], 3), values([40, 4], 4)))
    let adapter = Adapter(
      down: Weight("a", factors.0, decays: true), up: Weight("b", factors.1, decays: true), scale: 0.5, dropout: 0)
    func product(_ adapter: Adapter?) -> [Float] {
      Tape(on: engine).linear(
        Variable(value: x, gradient: nil), rows: PackedBatch([Array(repeating: 0, count: 9)]).tokenRows,
        weight: Weight("w", w, decays: true), bias: Weight("c", engine.zeros([40]), decays: false), adapter: adapter
      ).value.array
    }
    let alone = product(nil)
    // The same low-rank product, by hand.
    let (a, b, inputs) = (factors.0.array, factors.1.array, x.array)
    let expected = alone.indices.map { place in
      let (row, column) = (place / 40, place % 40)
      let low = (0..<4).reduce(Float(0)) { sum, r in
        sum + b[column * 4 + r] * (0..<200).reduce(Float(0)) { $0 + inputs[row * 200 + $1] * a[r * 200 + $1] }
      }
      return alone[place] + 0.5 * low
    }
    #expect(error(product(adapter), expected) < 1e-5)
  }

  @Test func `a frozen weight is laid out once, a trainable one follows its value`() {
    let engine = CPU(threads: 2)
    let w = Weight("w", engine.tensor([1, 2], [1, 2]), decays: true)
    func product() -> [Float] {
      Tape(on: engine).linear(
        Variable(value: engine.tensor([1, 10], [1, 2]), gradient: nil), rows: PackedBatch([[0]]).tokenRows, weight: w,
        bias: Weight("b", engine.zeros([1]), decays: false), adapter: nil
      ).value.array
    }
    #expect(product() == [21])
    let used = engine.meter.inUse
    #expect(product() == [21] && engine.meter.inUse == used)
    w.train()
    w.value.floats[0] = 5
    w.changed()
    #expect(product() == [25])
    w.freeze()
    w.value.floats[0] = 7
    w.changed()
    #expect(product() == [27])
  }
}
