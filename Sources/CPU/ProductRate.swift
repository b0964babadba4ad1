/// How fast products are on this machine, for benchmarks.
import CKernels
import Tensors

/// Operations in 10⁹ a second, a multiplication and an addition counted as two.
package struct ProductRate {
  /// x·Wᵀ of a frozen weight.
  package let forward: Double
  /// dy·W of the same.
  package let backward: Double
  /// The same sum of outer products that a weight gradient is.
  package let gradient: Double
  /// Multiplying and adding in registers alone, on as many threads.
  package let registers: Double

  /// Measures products of [rows, depth] with [depth, columns] for about `seconds` each.
  /// - Parameter format: what the weight is encoded as; absent: it is in fp32, laid out.
  package init(rows: Int, depth: Int, columns: Int, as format: CodeFormat? = nil, on cpu: CPU, seconds: Double) {
    let x = cpu.uniform([rows, depth], -1..<1, seed: 1, stream: 1)
    let dy = cpu.uniform([rows, columns], -1..<1, seed: 1, stream: 2)
    let values = cpu.uniform([columns, depth], -1..<1, seed: 1, stream: 3)
    let weight =
      format.map { format in
        let stored = StoredTensor(values.shape, .f32, bytes: values.bytes)
        return Weight("W", cpu.encoded(stored, as: format, block: format == .int8 ? depth : 64))
      } ?? Weight("W", values, decays: true)
    let w = cpu.layout(weight, for: .forward, in: cpu.precision)
    let back = cpu.layout(weight, for: .backward, in: cpu.precision)
    let (y, dx, sum) = (cpu.matrix(rows, columns), cpu.matrix(rows, depth), cpu.zeros([columns, depth]))
    let work = 2e-9 * Double(rows) * Double(depth) * Double(columns)
    forward = Self.rate(work, seconds) { Product(rows, x.floats, w, into: y.floats).compute(on: cpu) }
    backward = Self.rate(work, seconds) { Product(rows, dy.floats, back, into: dx.floats).compute(on: cpu) }
    let kept = cpu.kept(x)
    gradient = Self.rate(work, seconds) { cpu.addWeightGradient(to: sum, dy: dy, x: kept, chunks: [0..<rows]) }
    let (spin, rounds) = (cpu.kernels.multiplier(cpu.precision).spin!, 1 << 20)
    registers = Self.rate(1e-9 * Double(cpu.threads) * spin(rounds), seconds) {
      cpu.parallel(cpu.threads) { _, _ in _ = spin(rounds) }
    }
  }

  private static func rate(_ work: Double, _ seconds: Double, _ body: () -> Void) -> Double {
    body()
    let (clock, limit) = (ContinuousClock(), Duration.seconds(seconds))
    let start = clock.now
    var (runs, elapsed) = (0, Duration.zero)
    repeat {
      body()
      runs += 1
      elapsed = clock.now - start
    } while elapsed < limit
    return work * Double(runs) / (elapsed / .seconds(1))
  }
}
