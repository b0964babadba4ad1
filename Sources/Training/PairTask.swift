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
  /// Whether it is a negative that was looked for among what resembles an answer.
  package var isHard: Bool

  /// - Parameter logit: the teacher's.
  package init(record: String, input: Encoding, label: Double, logit: Double? = nil, isHard: Bool = false) {
    self.record = record
    self.input = input
    self.isHard = isHard
    judgement = RerankerLoss.Judgement(label: label, logit: logit)
  }
}

package struct PairTask: TrainingTask {
  private let lists: [[LabelledPair]]
  private let loss: RerankerLoss
  private let labels: Int
  private let curriculum: Int

  /// - Parameters:
  ///   - lists: the items: pairs of one query, or a pair each where the loss looks at each alone.
  ///   - labels: of the model's head.
  ///   - curriculum: epochs at the beginning that leave out hard negatives.
  package init(lists: [[LabelledPair]], loss: RerankerLoss, labels: Int = 1, curriculum: Int = 0) {
    self.lists = lists
    self.loss = loss
    self.labels = labels
    self.curriculum = curriculum
  }

  package var itemCount: Int { lists.count }

  /// What of an item an epoch learns; nothing where only positives are left, which are no order.
  private func pairs(in item: Int, epoch: Int) -> [LabelledPair] {
    guard epoch < curriculum, lists[item].contains(where: \.isHard) else { return lists[item] }
    let easy = lists[item].filter { !$0.isHard }
    return easy.contains { $0.label <= 0 } ? easy : []
  }

  package func batches(of size: Int, epoch: Int, _ draws: SeededDraws) -> [[Int]] {
    let items = lists.indices.filter { !pairs(in: $0, epoch: epoch).isEmpty }
    return draws.order(of: items.count, epoch: epoch).map { items[$0] }.batches(of: size)
  }

  package func batchCount(of size: Int, epoch: Int, _ draws: SeededDraws) -> Int {
    (lists.indices.count { !pairs(in: $0, epoch: epoch).isEmpty } + size - 1) / size
  }

  /// Chunks may cut a list: the loss sees the outputs of all of them.
  package func batch(of items: [Int], epoch: Int) -> TrainingBatch {
    let chosen = items.map { pairs(in: $0, epoch: epoch) }
    let all = chosen.flatMap(\.self)
    let judgements = chosen.map { $0.map(\.judgement) }
    let (loss, labels) = (loss, labels)
    return TrainingBatch(
      sequences: PackedBatch(all.map(\.input), chunkSize: sequencesPerChunk), records: all.map(\.record),
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
    self.init(
      inputs.map(\.ids), typeIDs: inputs.map(\.typeIDs), chunkSize: chunkSize, unpooled: inputs.map(\.unpooled))
  }
}
