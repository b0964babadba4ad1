/// The cross-encoder's task: tell the pairs that belong together from those that do not.
import Tensors
import Tokenizers

/// Sequences whose gradients are summed together. It decides bits, so it is the same for everybody.
let sequencesPerChunk = 8

/// A query and a passage as one input, and whether they belong together.
package struct LabelledPair: Sendable {
  /// What messages call it.
  package var record: String
  package var input: Encoding
  /// 1 for a positive, 0 for a negative.
  package var label: Double

  package init(record: String, input: Encoding, label: Double) {
    self.record = record
    self.input = input
    self.label = label
  }
}

package struct PairTask: TrainingTask {
  private let pairs: [LabelledPair]
  private let loss: BinaryCrossEntropy

  package init(pairs: [LabelledPair], loss: BinaryCrossEntropy) {
    self.pairs = pairs
    self.loss = loss
  }

  package var itemCount: Int { pairs.count }

  package func batch(of items: [Int], epoch: Int) -> TrainingBatch {
    let chosen = items.map { pairs[$0] }
    let labels = chosen.map(\.label)
    return TrainingBatch(
      sequences: PackedBatch(chosen.map(\.input), chunkSize: sequencesPerChunk), records: chosen.map(\.record),
      loss: { logits in loss(logits: logits, labels: labels) })
  }

  package var heaviestChunk: [Int] {
    Array(pairs.map { $0.input.ids.count }.sorted(by: >).prefix(sequencesPerChunk))
  }

  package var remedies: [(change: String, chunk: [Int])] { [shorterInputs(heaviestChunk)] }
}

/// The chunk after halving `max_len`.
func shorterInputs(_ chunk: [Int]) -> (change: String, chunk: [Int]) {
  let half = max(1, (chunk.max() ?? 0) / 2)
  return ("max_len: \(half)", chunk.map { min($0, half) })
}

extension PackedBatch {
  init(_ inputs: [Encoding], chunkSize: Int) {
    self.init(
      inputs.map(\.ids), typeIDs: inputs.map(\.typeIDs), chunkSize: chunkSize, unpooled: inputs.map(\.unpooled))
  }
}
