/// What training needs of any model that turns token sequences into vectors or logits.
import Tensors

package protocol SequenceModel: AnyObject {
  var parameters: Parameters { get }
  /// Size of an encoder's vectors (pooled, not normalised); 1, the logit, of a cross-encoder.
  var outputWidth: Int { get }
  /// Most tokens that a sequence may have.
  var maxTokens: Int { get }
  /// Probabilities that act on a tape with masks. Zero unless a stage asks for them.
  var dropout: Dropouts { get set }

  /// → [B, outputWidth]. On a tape that records, `backward` adds into the weights' gradients, chunk by chunk in order.
  /// Throws `ModelError` on a token or segment id or a length that the model has no row for.
  func forward(_ batch: PackedBatch, on tape: Tape) throws -> Variable

  /// Peak in bytes of one forward and backward pass over sequences of so many tokens, besides what is in use already.
  /// Throws `ModelError` on a length that the model has no row for.
  func trainingBytes(tokensPerSequence: [Int]) throws -> Int
}

extension SequenceModel {
  package var device: any Device { parameters.device }
  /// Every weight under its Hugging Face name, unmerged LoRA factors included (`….lora_A.weight`).
  package var weights: [Weight] { parameters.all }
  /// The adapters attached.
  package var lora: LoRASettings? { parameters.lora }

  /// Full fine-tuning: gives every weight a gradient. A new model's weights are all frozen.
  package func trainAllWeights() { parameters.trainAll() }

  /// Freezes the base and gives each target linear an adapter. Throws `ModelError` on a target that matches none.
  package func attach(lora: LoRASettings, seed: UInt64) throws { try parameters.attach(lora, seed: seed) }

  /// The weights as a checkpoint has them, adapters merged: W + s·B·A, each computed when it is asked for.
  package var mergedTensors: [NamedTensor] { parameters.merged }

  /// By a rehearsal of the pass.
  package func trainingBytes(tokensPerSequence: [Int]) throws -> Int {
    let batch = PackedBatch(tokensPerSequence.map { Array(repeating: 0, count: $0) })
    return try Profile.measure(.rehearsal) {
      try device.rehearse { device in
        let tape = Tape(on: device, records: true, masks: Tape.Masks(seed: 0, step: 0))
        let output = try forward(batch, on: tape)
        tape.backward(from: output, gradient: device.uninitialized(output.value.shape))
      }
    }
  }
}
