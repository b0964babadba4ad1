/// Bits of multiplications at the sizes of real models.
import Testing

@testable import CPU
@testable import Tensors

struct DeterminismTests {
  @Test(
    arguments: [(384, 1536), (1536, 384), (384, 384), (384, 1), (384, 16), (16, 384), (100, 37)], Precision.allCases)
  func `a row's bits depend neither on its place nor on threads`(
    shape: (inputs: Int, outputs: Int), precision: Precision
  ) {
    let (inputs, outputs) = shape
    let source = CPU(threads: 1)
    let w = source.uniform([outputs, inputs], -1..<1, seed: 1, stream: 1).array
    let x = source.uniform([200, inputs], -1..<1, seed: 1, stream: 2).array
    func rows(_ range: Range<Int>, threads: Int) -> [ArraySlice<Float>] {
      let engine = CPU(threads: threads, precision: precision)
      let part = engine.tensor(
        Array(x[(range.lowerBound * inputs)..<(range.upperBound * inputs)]), [range.count, inputs])
      let rows = PackedBatch(range.map { _ in [0] }).tokenRows
      let y = Tape(on: engine).linear(
        Variable(value: part, gradient: nil), rows: rows,
        weight: Weight("w", engine.tensor(w, [outputs, inputs]), decays: true),
        bias: Weight("b", engine.zeros([outputs]), decays: false), adapter: nil
      ).value.array
      return range.indices.map { y[(($0 - range.lowerBound) * outputs)..<(($0 - range.lowerBound + 1) * outputs)] }
    }
    let expected = rows(0..<200, threads: 1)
    for (range, threads) in [
      (0..<200, 2), (0..<200, 3), (0..<1, 2), (1..<200, 2), (7..<71, 1), (63..<128, 2), (199..<200, 3),
    ] {
      for (index, row) in zip(range, rows(range, threads: threads)) {
        #expect(row.elementsEqual(expected[index]), "row \(index) of \(range), \(threads) threads")
      }
    }
  }

  @Test(arguments: [(1536, 384), (384, 1536), (384, 16), (16, 1536), (1, 384)])
  func `weight gradients depend neither on threads nor on how chunks are grouped`(outputs: Int, inputs: Int) {
    let source = CPU(threads: 1)
    let dy = source.uniform([230, outputs], -1..<1, seed: 2, stream: 1)
    let x = source.uniform([230, inputs], -1..<1, seed: 2, stream: 2)
    let chunks = [0..<80, 80..<93, 93..<230]
    func gradient(threads: Int, _ groups: [[Range<Int>]]) -> [Float] {
      let engine = CPU(threads: threads)
      let sum = engine.zeros([outputs, inputs])
      for group in groups { engine.addWeightGradient(to: sum, dy: dy, x: x, chunks: group) }
      return sum.array
    }
    let expected = gradient(threads: 1, [chunks])
    #expect(gradient(threads: 2, [chunks]) == expected)
    #expect(gradient(threads: 3, chunks.map { [$0] }) == expected)
  }
}
