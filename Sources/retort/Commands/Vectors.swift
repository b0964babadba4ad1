/// `retort vectors MODEL FILE`: the vectors that a bi-encoder gives texts, without a pipeline.
import ArgumentParser
import Basics
import CPU
import Foundation
import Models
import Tensors
import Training

struct Vectors: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the vectors that a bi-encoder gives texts, one JSON list a line; keeps nothing.")

  @Argument(help: "The model's folder, or hf://org/name.", completion: .directory) var model: String
  @Argument(help: "JSON lines with `text`, or plain lines where the name ends in .txt.") var file: String
  @Option(help: "The folder that MODEL changes, if it is an adapter of PEFT.", completion: .directory) var base: String?
  @Option(help: "Cut to so many tokens, special ones included; absent: as the model says.") var maxLen: Int?
  @Option(help: "Threads that compute.") var threads = ProcessInfo.processInfo.processorCount
  @Option(help: "Of the model's products.") var precision = PrecisionOption.fp32
  @Flag(help: "One text at a time, as a service would embed them, not batch by batch.") var oneByOne = false
  @Flag(help: "Print one object instead: how many texts and tokens, and how long they took.") var summary = false

  private struct Summary: Encodable {
    var texts, tokens: Int
    /// Of reading the model; of all texts, from strings to vectors.
    var loadSeconds, embedSeconds: Double
    /// Of a text, with `--one-by-one`.
    var medianMilliseconds, percentile95Milliseconds: Double?
  }

  func validate() throws {
    guard threads > 0 else { throw ValidationError("--threads takes a positive number") }
  }

  func run() throws {
    let texts = try TextLines.read(file)
    let clock = ContinuousClock()
    let (folder, base) = (try modelFolder(model), try base.map(modelFolder))
    var encoder: BiEncoder?
    let loading = try clock.measure {
      encoder = try BiEncoder(
        folder: folder, base: base, on: CPU(threads: threads, precision: precision.precision), maxTokens: maxLen)
    }
    guard let encoder else { return }
    for notice in encoder.notices { Terminal.complain(notice) }
    var vectors: [Tensor] = []
    var times: [Double] = []
    for batch in oneByOne ? texts.map({ [$0] }) : [texts] {
      times.append(try clock.measure { vectors.append(try encoder.encode(batch)) }.seconds)
    }
    guard summary else { return try vectors.forEach { try write($0) } }
    let sorted = times.sorted()
    func milliseconds(_ share: Double) -> Double? {
      oneByOne && !sorted.isEmpty ? 1000 * sorted[Int(Double(sorted.count - 1) * share)] : nil
    }
    try printJSON(
      Summary(
        texts: texts.count, tokens: encoder.health.tokens, loadSeconds: loading.seconds,
        embedSeconds: times.reduce(0, +), medianMilliseconds: milliseconds(0.5),
        percentile95Milliseconds: milliseconds(0.95)))
  }

  private func write(_ rows: Tensor) throws {
    let all = rows.array
    for row in 0..<rows.rows {
      let values = all[row * rows.columns..<(row + 1) * rows.columns]
      try Terminal.pass("[" + values.map { "\($0)" }.joined(separator: ",") + "]\n")
    }
  }
}
