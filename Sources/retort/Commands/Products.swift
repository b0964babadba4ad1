/// `retort products`, hidden: how fast the engine multiplies; experiments/benchmarks/gemm.py holds it against others.
import ArgumentParser
import CPU

struct Products: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures matrix products, in GFLOP/s: a JSON line.", shouldDisplay: false)

  @Argument(help: "Rows of the left matrix.") var rows: Int
  @Argument(help: "Columns of the left matrix.") var depth: Int
  @Argument(help: "Columns of the product.") var columns: Int
  @Option(help: "Of both sides.") var precision = PrecisionOption.auto
  @Option(help: "Threads.") var threads = 1
  @Option(help: "Seconds for each kind of product.") var seconds = 0.5

  func validate() throws {
    guard [rows, depth, columns].allSatisfy({ 1...65_536 ~= $0 }) else { throw ValidationError("sizes are 1 to 65536") }
    guard 1...4096 ~= threads, seconds > 0, seconds <= 3600 else {
      throw ValidationError("threads are 1 to 4096, seconds more than 0 and at most 3600")
    }
  }

  private struct Result: Encodable {
    let numerics: String
    let forward, gradient, registers: Double
  }

  func run() throws {
    let precision = precision.precision
    let cpu = CPU(threads: threads, precision: precision)
    let rate = ProductRate(rows: rows, depth: depth, columns: columns, on: cpu, seconds: seconds)
    try printJSON(
      Result(
        numerics: cpu.numerics.description, forward: rate.forward,
        gradient: rate.gradient, registers: rate.registers))
  }
}
