/// What tokens need of those before them: each layer's keys and values, computed once for all sequences that begin alike.
import Tensors

package struct Beginning: Sendable {
  /// Each layer's, the first one's first, rotated and normalised as attention reads them: [tokens, keyValueHeads·d].
  fileprivate(set) var layers: [(keys: Tensor, values: Tensor)] = []
  package let tokens: Int
}

/// What a decoder's layers do with their keys and values.
final class KeyValues {
  private(set) var made: Beginning
  /// What each sequence goes on from.
  private let past: [Beginning?]
  private var layer = 0

  /// Keeps those of a batch's only sequence.
  init(of batch: PackedBatch) {
    made = Beginning(tokens: batch.tokens)
    past = []
  }

  /// Puts those of beginnings in front.
  init(behind past: [Beginning?]) {
    made = Beginning(tokens: 0)
    self.past = past
  }

  /// What attention of the next layer reads.
  func read(
    _ keys: Variable, _ values: Variable, _ batch: PackedBatch, on tape: Tape
  ) -> (keys: Variable, values: Variable) {
    defer { layer += 1 }
    guard !past.isEmpty else {
      made.layers.append((keys.value, values.value))
      return (keys, values)
    }
    return (
      tape.behind(past.map { $0?.layers[layer].keys }, keys, batch: batch),
      tape.behind(past.map { $0?.layers[layer].values }, values, batch: batch)
    )
  }
}
