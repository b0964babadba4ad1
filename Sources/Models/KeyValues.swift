/// What a decoder's layers do with their keys and values.
import Tensors

final class KeyValues {
  /// What each sequence goes on from and, afterwards, has come to.
  private(set) var sequences: [KeyPages]
  /// Whether the batch's own are put there, too.
  private let keeps: Bool
  private var layer = 0

  init(behind sequences: [KeyPages], keeps: Bool) { (self.sequences, self.keeps) = (sequences, keeps) }

  /// Makes room for a batch.
  func begin(_ batch: PackedBatch, layers: Int, width: Int, on device: any Device) {
    precondition(sequences.map(\.tokens) == batch.past, "a past of \(sequences.map(\.tokens)) tokens for \(batch.past)")
    guard keeps else { return }
    for (index, count) in batch.tokens(of: 0..<batch.count).enumerated() {
      sequences[index].reserve(count, layers: layers, width: width, on: device)
    }
  }

  /// What attention of the next layer reads besides the batch's own.
  func next(_ keys: Variable, _ values: Variable, _ batch: PackedBatch) -> PastKeys {
    defer { layer += 1 }
    if keeps {
      for (index, sequence) in sequences.enumerated() {
        sequence.put(keys.value, values.value, batch.offsets[index]..<batch.offsets[index + 1], layer: layer)
      }
    }
    return PastKeys(sequences, layer: layer)
  }

  /// The batch is done, in every layer.
  func end(_ batch: PackedBatch) {
    guard keeps else { return }
    for (index, count) in batch.tokens(of: 0..<batch.count).enumerated() { sequences[index].advance(count) }
  }
}
