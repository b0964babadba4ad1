/// A BERT cross-encoder: two texts in one sequence → one logit, through pooler (tanh), perhaps, and classifier.
import Tensors

/// What a cross-encoder's classifier reads.
package enum CrossEncoderHead: String, Sendable, CaseIterable {
  /// tanh of a linear map of the first token's last hidden state, as `BertForSequenceClassification` has it.
  case pooler
  /// The first token's last hidden state itself, as the distillation program's teachers have it.
  case firstToken = "first_token"

  /// In config.json, where the head is not that of transformers.
  static let key = "retort_head"

  /// Throws a `CheckpointError` on a head that this program does not know.
  init(_ config: Configuration) throws {
    let name = try config.string(ifPresent: Self.key) ?? Self.pooler.rawValue
    guard let head = Self(rawValue: name) else {
      throw CheckpointError(
        config.file, "key \"\(Self.key)\"", found: "\"\(name)\"",
        expected: Self.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or "))
    }
    self = head
  }
}

package final class BertCrossEncoder: SequenceModel {
  package let engine: Engine
  package let config: BertConfig
  package let head: CrossEncoderHead
  /// Dropout of hidden states and attention in training. Zero unless a stage asks for it.
  package var dropout = BertDropout()
  private let body: BertBody
  private let pooler: LinearLayer?  // [hidden, hidden]
  private let classifier: LinearLayer  // [1, hidden]
  private let parameters: Parameters

  /// `weights` gives each tensor of `config.crossEncoderShapes(head)` by its name there (`bert.…`, `classifier.…`), on
  /// `engine`; the model keeps them. All are frozen at first. Throws `ModelError.shapeMismatch`, and what `weights` throws.
  package init(
    config: BertConfig, head: CrossEncoderHead = .pooler, engine: Engine,
    weights: @escaping (String) throws -> Tensor
  ) throws {
    let source = WeightSource(config.crossEncoderShapes(head), tensor: weights)
    self.engine = engine
    self.config = config
    self.head = head
    body = try BertBody(config, prefix: "bert.", source)
    pooler = head == .pooler ? try source.linear("bert.pooler.dense") : nil
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
      let pooled = tape.dropout(
        pooler?(first, .tanh, rows: rows, on: tape) ?? first, dropout.head, rows: rows)
      return classifier(pooled, rows: rows, on: tape)
    }
  }
  package func trainingBytes(tokensPerSequence: [Int]) -> Int {
    body.trainingBytes(tokensPerSequence: tokensPerSequence, first: true, lora: lora, on: engine)
  }
}
