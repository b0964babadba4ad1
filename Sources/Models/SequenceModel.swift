/// What training needs of any model that turns token sequences into vectors or logits.
import Tensors

package enum ForwardMode: Sendable {
  case inference
  /// Keeps what the backward pass needs; seed and step choose the dropout masks.
  case training(seed: UInt64, step: Int)
}

extension ForwardMode {
  /// Runs a forward pass on a tape of this mode.
  func run(on engine: Engine, _ forward: (Tape) throws -> Variable) rethrows -> ForwardResult {
    switch self {
    case .inference:
      return ForwardResult(output: try forward(Tape(inferenceOn: engine)).value, backward: nil)
    case .training(let seed, let step):
      let tape = Tape(on: engine, seed: seed, step: step)
      let output = try forward(tape)
      return ForwardResult(output: output.value) { tape.backward(from: output, gradient: $0) }
    }
  }
}

package struct ForwardResult {
  package let output: Tensor  // [B, outputWidth]
  /// Adds into the weights' gradients, chunk by chunk in order, given the output's gradient; to be called once.
  /// Nil in inference.
  package let backward: ((Tensor) -> Void)?
}

package protocol SequenceModel: AnyObject {
  var engine: Engine { get }
  /// Every weight under its Hugging Face name, unmerged LoRA factors included (`….lora_A.weight`).
  var weights: [Weight] { get }
  /// Size of an encoder's vectors (pooled, not normalised); 1, the logit, of a cross-encoder.
  var outputWidth: Int { get }
  /// Most tokens that a sequence may have.
  var maxTokens: Int { get }
  /// The adapters attached, until they are merged.
  var lora: LoRASettings? { get }

  /// Throws `ModelError` on a token or segment id or a length that the model has no row for.
  func forward(_ batch: PackedBatch, mode: ForwardMode) throws -> ForwardResult

  /// Predicted peak in bytes of one forward and backward pass over these sequences, besides the weights,
  /// their gradients and what exists already.
  func trainingBytes(tokensPerSequence: [Int]) -> Int

  /// Full fine-tuning: gives every weight a gradient. A new model's weights are all frozen.
  func trainAllWeights()

  /// Freezes the base and gives each target linear an adapter. Throws `ModelError` on a target that matches none.
  func attach(lora: LoRASettings, seed: UInt64) throws

  /// W += s·B·A for each adapter, which then is gone.
  func mergeLoRA()
}
