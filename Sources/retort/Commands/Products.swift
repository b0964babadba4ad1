/// `retort products`, hidden: how fast the engine multiplies; experiments/benchmarks/gemm.py holds it against others.
import ArgumentParser
import CPU
import Tensors

struct Products: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures matrix products, in GFLOP/s: a JSON line.", shouldDisplay: false)

  @Argument(help: "Rows of the left matrix.") var rows: Int
  @Argument(help: "Columns of the left matrix.") var depth: Int
  @Argument(help: "Columns of the product.") var columns: Int
  @Option(help: "Of both sides.") var precision = PrecisionOption.auto
  @Option(help: "What the right side is kept in: fp32, laid out, or codes: nf4, fp4, int8.") var weights = "fp32"
  @Option(help: "Threads.") var threads = 1
  @Option(help: "Seconds for each kind of product.") var seconds = 0.5

  func validate() throws {
    guard [rows, depth, columns].allSatisfy({ 1...65_536 ~= $0 }) else { throw ValidationError("sizes are 1 to 65536") }
    guard weights == "fp32" || format != nil else { throw ValidationError("--weights takes fp32, nf4, fp4 or int8") }
    guard 1...4096 ~= threads, seconds > 0, seconds <= 3600 else {
      throw ValidationError("threads are 1 to 4096, seconds more than 0 and at most 3600")
    }
  }

  private var format: CodeFormat? { CodeFormat(rawValue: weights) }

  private struct Result: Encodable {
    let numerics: String
    let forward, backward, gradient, registers: Double
  }

  func run() throws {
    let precision = precision.precision
    let cpu = CPU(threads: threads, precision: precision)
    let rate = ProductRate(rows: rows, depth: depth, columns: columns, as: format, on: cpu, seconds: seconds)
    try printJSON(
      Result(
        numerics: cpu.numerics.description, forward: rate.forward, backward: rate.backward,
        gradient: rate.gradient, registers: rate.registers))
  }
}
