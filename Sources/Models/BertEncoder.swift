/// A BERT encoder with pooling: token sequences → one vector each.
import Tensors

package final class BertEncoder: SequenceModel {
  package let engine: Engine
  package let config: BertConfig
  package let pooling: PoolingMode
  /// Dropout of hidden states and attention in training. Zero unless a stage asks for it.
  package var dropout = BertDropout()
  private let body: BertBody
  private let dense: [(layer: LinearLayer, activation: Activation)]
  private let parameters: Parameters

  /// `weights` gives each tensor of `config.encoderShapes` by its name there, on `engine`; the model keeps them.
  /// All are frozen at first. Throws `ModelError.shapeMismatch`, and what `weights` throws.
  package convenience init(
    config: BertConfig, pooling: PoolingMode, engine: Engine, weights: @escaping (String) throws -> Tensor
  ) throws {
    try self.init(config: config, pooling: pooling, dense: [], engine: engine, weights: weights)
  }

  /// - Parameter dense: what pooled vectors go through; these layers stay frozen.
  init(
    config: BertConfig, pooling: PoolingMode, dense: [(layer: LinearLayer, activation: Activation)], engine: Engine,
    weights: @escaping (String) throws -> Tensor
  ) throws {
    let source = WeightSource(config.encoderShapes, tensor: weights)
    self.engine = engine
    self.config = config
    self.pooling = pooling
    self.dense = dense
    body = try BertBody(config, prefix: "", source)
    parameters = Parameters(source, engine: engine)
  }

  package var weights: [Weight] { parameters.all }
  package var outputWidth: Int { dense.last?.layer.weight.value.rows ?? pooling.partCount * config.hiddenSize }
  package var maxTokens: Int { config.maximumPositions }
  package var lora: LoRASettings? { parameters.lora }
  package func trainAllWeights() { parameters.trainAll() }
  package func attach(lora: LoRASettings, seed: UInt64) throws { try parameters.attach(lora, seed: seed) }
  package func mergeLoRA() { parameters.mergeLoRA() }

  package func forward(_ batch: PackedBatch, mode: ForwardMode) throws -> ForwardResult {
    try mode.run(on: engine) { tape in
      let states = try body.forward(batch, first: pooling == .cls, on: tape, dropout)
      let pooled = pooling == .cls ? states : tape.pool(states, pooling, batch: batch)
      return dense.reduce(pooled) { $1.layer($0, $1.activation, rows: batch.sequenceRows, on: tape) }
    }
  }
  package func trainingBytes(tokensPerSequence: [Int]) -> Int {
    body.trainingBytes(tokensPerSequence: tokensPerSequence, first: pooling == .cls, lora: lora, on: engine)
  }
}
