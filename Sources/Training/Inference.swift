/// Runs a model over many inputs, batched by length, results in the inputs' order.
import Models
import Tensors
import Tokenizers

/// Tokens that run together: bounds the memory of activations, decides no bit.
private let tokensPerBatch = 4096

/// Inputs that are tokenized and sorted together, while the model runs those before; decides no bit.
private let inputsAtOnce = 1024

package struct NotFiniteOutput: Error, CustomStringConvertible {
  let culprit: String?
  package var description: String {
    "the model's output is not a finite number" + (culprit.map { "; the first value to go wrong is in `\($0)`" } ?? "")
      + ": take a model whose weights are sound"
  }
}

extension SequenceModel {
  /// [inputs, outputWidth]. `progress` hears of the inputs done. Throws `NotFiniteOutput`.
  func outputs(of inputs: [Encoding], progress: (Int) -> Void = { _ in }) throws -> Tensor {
    try outputs(count: inputs.count, progress: progress) { Array(inputs[$0]) }
  }

  /// As `outputs(of:)`, of inputs that `make` gives stretch by stretch, in order, on a thread of its own.
  func outputs(
    count: Int, progress: (Int) -> Void, make: (Range<Int>) throws -> [Encoding]
  ) throws -> Tensor {
    let result = device.uninitialized([count, outputWidth])
    var done = 0
    try lookingAhead((count + inputsAtOnce - 1) / inputsAtOnce) { stretch in
      let range = stretch * inputsAtOnce..<min((stretch + 1) * inputsAtOnce, count)
      let inputs = try make(range)
      return Profile.measure(.batchMaking) { InferenceBatch.all(of: inputs, from: range.lowerBound) }
    } use: { batches in
      for batch in batches {
        let output = try forward(batch.sequences, on: Tape(on: device)).value
        guard output.isFinite else { throw NotFiniteOutput(culprit: weights.first { !$0.fp32.isFinite }?.name) }
        device.copyRows(of: output, to: result, at: batch.rows)
        done += batch.rows.count
        progress(done)
      }
    }
    return result
  }
}

/// Inputs of like length that run together.
private struct InferenceBatch {
  /// Where each sequence's output belongs.
  let rows: [Int]
  let sequences: PackedBatch

  /// - Parameter start: the row of the first input.
  static func all(of inputs: [Encoding], from start: Int) -> [InferenceBatch] {
    let order = inputs.indices.sorted { (inputs[$0].ids.count, $0) < (inputs[$1].ids.count, $1) }
    var batches: [InferenceBatch] = []
    var first = 0
    while first < order.count {
      var end = first
      var tokens = 0
      repeat {
        tokens += inputs[order[end]].ids.count
        end += 1
      } while end < order.count && tokens + inputs[order[end]].ids.count <= tokensPerBatch
      let chosen = order[first..<end]
      batches.append(
        InferenceBatch(
          rows: chosen.map { $0 + start },
          sequences: PackedBatch(chosen.map { inputs[$0] }, chunkSize: sequencesPerChunk)))
      first = end
    }
    return batches
  }
}

extension Tensor {
  /// Scales each row to length 1: x / max(‖x‖, 10⁻¹²).
  func normalizeRows() { device.normalizeRows(self, floor: 1e-12) }
}
