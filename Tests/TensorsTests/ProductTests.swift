/// Products of every class that this machine has, or that is emulated, against the reference loops.
import CKernels
import TestKernels
import TestSupport
import Testing

@testable import Tensors

struct ProductTests {
  /// Rounding of sums of `depth` products of numbers up to 1, a bit more than measured.
  private func tolerance(depth: Int) -> Float { 4e-6 + 6e-8 * Float(depth) }

  private func cases(_ seed: UInt64, bf16: Bool) -> [product_case] {
    var random = SplitMix(state: seed)
    func size(_ most: Int) -> Int { Int.random(in: 1...most, using: &random) }
    let shapes =
      (0..<12).map { _ in (size(300), size(300), size(300)) } + [
        (13, 384, 1536), (100, 1536, 384), (3, 4096, 1024), (5, 1024, 4096), (1, 1, 1),
      ]
    return shapes.enumerated().map { index, shape in
      product_case(
        rows: shape.0, depth: shape.1, columns: shape.2, rank: index % 3 == 0 ? size(64) : 0, bf16: bf16 ? 1 : 0,
        accumulate: Int32(index % 2), bias: index % 5 == 0 ? 0 : 1, derivative: index % 4 == 0 ? 0 : 1,
        activation: [RETORT_IDENTITY, RETORT_GELU, RETORT_TANH][size(3) - 1], seed: seed + UInt64(index))
    }
  }

  @Test(arguments: KernelPair.all, [false, true])
  func `products equal the reference, read and write nothing else, and treat every row as if it were alone`(
    pair: KernelPair, bf16: Bool
  ) {
    var (fast, reference) = (pair.fast, pair.reference)
    for what in cases(bf16 ? 7 : 3, bf16: bf16) {
      let check = check_linear(&fast, &reference, what)
      #expect(check.error < tolerance(depth: what.depth), "\(what)")
      #expect(check.overwritten == 0 && check.variant == 0, "\(what)")
    }
  }

  @Test(arguments: KernelPair.all)
  func `sums of outer products equal the reference, read and write nothing else, and may be cut anywhere`(
    pair: KernelPair
  ) {
    var (fast, reference) = (pair.fast, pair.reference)
    for what in cases(5, bf16: false) where what.depth * what.rows * what.columns < 1 << 24 {
      let check = check_outer(&fast, &reference, what)
      #expect(check.error < tolerance(depth: what.depth), "\(what)")
      #expect(check.overwritten == 0 && check.variant == 0, "\(what)")
    }
  }

  @Test func `bf16 rounds to even, and differs from fp32`() {
    let engine = Engine(threads: 1, precision: .bf16)
    // 257 and 259 lie halfway between neighbours in bf16; 1 and 2 are exact.
    let w = Weight("w", engine.tensor([1, 0, 0, 2], [2, 2]), decays: true)
    let x = Variable(value: engine.tensor([257, 259], [1, 2]), gradient: nil)
    let y = Tape(inferenceOn: engine).linear(
      x, rows: PackedBatch([[0]]).tokenRows, weight: w, bias: Weight("b", engine.zeros([2]), decays: false),
      adapter: nil)
    #expect(y.value.array == [256, 520])
  }

  @Test func `a frozen weight is laid out once, a trainable one follows its value`() {
    let engine = Engine(threads: 2)
    let w = Weight("w", engine.tensor([1, 2], [1, 2]), decays: true)
    func product() -> [Float] {
      Tape(inferenceOn: engine).linear(
        Variable(value: engine.tensor([1, 10], [1, 2]), gradient: nil), rows: PackedBatch([[0]]).tokenRows, weight: w,
        bias: Weight("b", engine.zeros([1]), decays: false), adapter: nil
      ).value.array
    }
    #expect(product() == [21])
    let used = engine.allocator.bytesInUse
    #expect(product() == [21] && engine.allocator.bytesInUse == used)
    w.train(on: engine)
    w.value.floats[0] = 5
    #expect(product() == [25])
    w.freeze()
    w.value.floats[0] = 7
    w.changed()
    #expect(product() == [27])
  }
}
