/// A BERT cross-encoder: two texts in one sequence → one logit, through pooler (tanh) and classifier.
import Tensors

package final class BertCrossEncoder: SequenceModel {
  package let engine: Engine
  package let config: BertConfig
  /// Dropout of hidden states and attention in training. Zero unless a stage asks for it.
  package var dropout = BertDropout()
  private let body: BertBody
  private let pooler: LinearLayer  // [hidden, hidden]
  private let classifier: LinearLayer  // [1, hidden]
  private let parameters: Parameters

  /// `weights` gives each tensor of `config.crossEncoderShapes` by its name there (`bert.…`, `classifier.…`), on
  /// `engine`; the model keeps them. All are frozen at first. Throws `ModelError.shapeMismatch`, and what `weights` throws.
  package init(config: BertConfig, engine: Engine, weights: @escaping (String) throws -> Tensor) throws {
    let source = WeightSource(config.crossEncoderShapes, tensor: weights)
    self.engine = engine
    self.config = config
    body = try BertBody(config, prefix: "bert.", source)
    pooler = try source.linear("bert.pooler.dense")
    classifier = try source.linear("classifier")
    parameters = Parameters(source, engine: engine)
  }

  package var weights: [Weight] { parameters.all }
  package var outputWidth: Int { 1 }
  package var maxTokens: Int { config.maximumPositions }
  package var lora: LoRASettings? { parameters.lora }
  package func trainAllWeights() { parameters.trainAll() }
  package func attach(lora: LoRASettings, seed: UInt64) throws { try parameters.attach(lora, seed: seed) }
  package func mergeLoRA() { parameters.mergeLoRA() }

  package func forward(_ batch: PackedBatch, mode: ForwardMode) throws -> ForwardResult {
    try mode.run(on: engine) { tape in
      let rows = batch.sequenceRows
      let first = try body.forward(batch, first: true, on: tape, dropout)
      let pooled = tape.dropout(pooler(first, .tanh, rows: rows, on: tape), dropout.head, rows: rows)
      return classifier(pooled, rows: rows, on: tape)
    }
  }
  package func trainingBytes(tokensPerSequence: [Int]) -> Int {
    body.trainingBytes(tokensPerSequence: tokensPerSequence, first: true, lora: lora, on: engine)
  }
}
