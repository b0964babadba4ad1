/// Fits a batch into memory: whole chunks run together as long as their activations fit.
import Models
import Tensors

extension TrainingBatch {
  /// Consecutive chunks, each run as long as `fits` accepts its sequences' token counts. A chunk is never split:
  /// gradients are summed chunk by chunk, so the cut decides no bit.
  func microBatches(fitting fits: (_ tokensPerSequence: [Int]) -> Bool) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var tokens: [Int] = []
    for (index, chunk) in sequences.chunks.enumerated() {
      let added = sequences.tokens(of: chunk)
      if let last = runs.last, fits(tokens + added) {
        runs[runs.count - 1] = last.lowerBound..<index + 1
        tokens += added
      } else {
        runs.append(index..<index + 1)
        tokens = added
      }
    }
    return runs
  }
}
