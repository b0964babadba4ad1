/// Fits a batch into memory: whole chunks run together as long as their activations fit.
import Models
import Tensors

extension TrainingBatch {
  /// Consecutive chunks, each run as long as `fits` accepts its sequences' token counts. A chunk is never split:
  /// gradients are summed chunk by chunk, so the cut decides no bit.
  func microBatches(fitting fits: (_ tokensPerSequence: [Int]) throws -> Bool) rethrows -> [Range<Int>] {
    if try fits(sequences.tokens(of: 0..<sequences.count)) { return [0..<sequences.chunks.count] }
    var runs: [Range<Int>] = []
    var tokens: [Int] = []
    for (index, chunk) in sequences.chunks.enumerated() {
      let added = sequences.tokens(of: chunk)
      if let last = runs.last, try fits(tokens + added) {
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

/// Whether passes fit into what a training may use, by rehearsals that are not repeated.
final class MemoryFit {
  private let model: any SequenceModel
  private let limit: Int
  /// Bytes that something else will take before the training ends.
  var toCome = 0
  /// Passes that fit: no pass that is smaller in every respect needs more.
  private var fitting: [Size] = []

  /// What a pass's memory follows from.
  private struct Size {
    let sequences, tokens, longest: Int

    init(_ tokensPerSequence: [Int]) {
      (sequences, tokens) = (tokensPerSequence.count, tokensPerSequence.reduce(0, +))
      longest = tokensPerSequence.max() ?? 0
    }

    func holds(_ other: Size) -> Bool {
      other.sequences <= sequences && other.tokens <= tokens && other.longest <= longest
    }
  }

  /// - Parameter limit: bytes that the whole training may use.
  init(model: any SequenceModel, limit: Int) { (self.model, self.limit) = (model, limit) }

  /// What is left for one pass, and for what it makes of weights that stay.
  var available: Int { limit - model.device.meter.inUse - toCome }

  func fits(_ tokensPerSequence: [Int]) throws -> Bool {
    let size = Size(tokensPerSequence)
    if fitting.contains(where: { $0.holds(size) }) { return true }
    guard try model.trainingBytes(tokensPerSequence: tokensPerSequence) <= available else { return false }
    fitting.removeAll { size.holds($0) }
    fitting.append(size)
    return true
  }
}
