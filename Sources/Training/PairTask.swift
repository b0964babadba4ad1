/// The cross-encoder's task: tell the pairs that belong together from those that do not.
import Tensors
import Tokenizers

/// Sequences whose gradients are summed together. It decides bits, so it is the same for everybody.
let sequencesPerChunk = 8

/// A query and a passage as one input, and what is known of them.
package struct LabelledPair: Sendable {
  /// What messages call it.
  package var record: String
  package var input: Encoding
  package var judgement: RerankerLoss.Judgement
  /// 1 for a positive, 0 for a negative.
  package var label: Double { judgement.label }

  /// - Parameter logit: the teacher's.
  package init(record: String, input: Encoding, label: Double, logit: Double? = nil) {
    self.record = record
    self.input = input
    judgement = RerankerLoss.Judgement(label: label, logit: logit)
  }
}

package struct PairTask: TrainingTask {
  private let lists: [[LabelledPair]]
  private let loss: RerankerLoss
  private let labels: Int

  /// - Parameters:
  ///   - lists: the items: pairs of one query, or a pair each where the loss looks at each alone.
  ///   - labels: of the model's head.
  package init(lists: [[LabelledPair]], loss: RerankerLoss, labels: Int = 1) {
    self.lists = lists
    self.loss = loss
    self.labels = labels
  }

  package var itemCount: Int { lists.count }

  /// Chunks may cut a list: the loss sees the outputs of all of them.
  package func batch(of items: [Int], epoch: Int) -> TrainingBatch {
    let chosen = items.map { lists[$0] }
    let pairs = chosen.flatMap(\.self)
    let judgements = chosen.map { $0.map(\.judgement) }
    let (loss, labels) = (loss, labels)
    return TrainingBatch(
      sequences: PackedBatch(pairs.map(\.input), chunkSize: sequencesPerChunk), records: pairs.map(\.record),
      loss: { outputs in loss(outputs: outputs, labels: labels, lists: judgements) })
  }

  package var heaviestChunk: [Int] {
    Array(lists.joined().map { $0.input.ids.count }.sorted(by: >).prefix(sequencesPerChunk))
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
    self.init(inputs.map(\.ids), typeIDs: inputs.map(\.typeIDs), chunkSize: chunkSize)
  }
}
