/// Runs a model over many inputs, batched by length, results in the inputs' order.
import Models
import Tensors
import Tokenizers

/// Tokens that run together; bounds the memory of activations, decides no bit.
private let tokensPerBatch = 8192

/// Texts or pairs that are tokenized before the model runs; bounds the memory of their tokens, decides no bit.
let inputsAtOnce = 8192

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
    let result = engine.zeros([inputs.count, outputWidth])
    let order = inputs.indices.sorted { (inputs[$0].ids.count, $0) < (inputs[$1].ids.count, $1) }
    var start = 0
    while start < order.count {
      var end = start
      var tokens = 0
      repeat {
        tokens += inputs[order[end]].ids.count
        end += 1
      } while end < order.count && tokens + inputs[order[end]].ids.count <= tokensPerBatch
      let rows = order[start..<end]
      let batch = PackedBatch(rows.map { inputs[$0] }, chunkSize: sequencesPerChunk)
      let output = try forward(batch, mode: .inference).output
      guard output.isFinite else { throw NotFiniteOutput(culprit: weights.first { !$0.value.isFinite }?.name) }
      for (index, row) in rows.enumerated() {
        (result.floats + row * outputWidth).update(from: output.floats + index * outputWidth, count: outputWidth)
      }
      start = end
      progress(end)
    }
    return result
  }
}

extension Tensor {
  /// Scales each row to length 1: x / max(‖x‖, 10⁻¹²).
  func normalizeRows() {
    for row in 0..<rows {
      let values = UnsafeMutableBufferPointer(start: floats + row * columns, count: columns)
      let norm = max(values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot(), 1e-12)
      for index in values.indices { values[index] = Float(Double(values[index]) / norm) }
    }
  }
}
