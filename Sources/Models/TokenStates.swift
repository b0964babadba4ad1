/// The first layers of an encoder of BERT's build: token sequences → a state for each token.
import Tensors

package final class TokenStates {
  private let body: any Body
  private let parameters: Parameters
  /// Most tokens that a sequence may have.
  package let maxTokens: Int

  fileprivate init(_ architecture: Bert, weights: some WeightSource, on device: any Device) throws {
    let builder = ModelBuilder(weights)
    body = try architecture.body(builder, at: "")
    parameters = Parameters(builder, on: device)
    maxTokens = architecture.maxTokens
  }

  package var device: any Device { parameters.device }

  /// → [T, width]
  package func callAsFunction(_ batch: PackedBatch) throws -> Tensor {
    try body.forward(batch, asked: .all, on: Tape(on: device), Dropouts()).value
  }
}

extension CheckpointFolder {
  /// The states after so many layers, from 1. Throws a `CheckpointError` if the folder's encoder is of another build, or
  /// has fewer.
  package func tokenStates(after layers: Int, on device: any Device) throws -> TokenStates {
    guard var bert = architecture as? Bert else {
      throw CheckpointError(
        url, found: "an encoder of another build", expected: Bert.modelTypes.joined(separator: ", "))
    }
    guard layers <= bert.layerCount else {
      throw CheckpointError(
        url, found: "a model of \(bert.layerCount) layers", expected: "one with a layer \(layers)",
        remedy: "`layer` says which one is taken.")
    }
    try checkEncoder()
    bert.layerCount = layers
    return try TokenStates(bert, weights: weights(on: device), on: device)
  }
}
