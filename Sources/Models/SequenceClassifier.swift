/// A cross-encoder: two texts in one sequence → a logit, or two, through the architecture's head, if any, and classifier.
import Tensors

/// What a cross-encoder's classifier reads.
package enum CrossEncoderHead: String, Sendable, CaseIterable {
  /// What the architecture's own class makes of the last hidden states.
  case pooler
  /// The first token's last hidden state itself, as the distillation program's teachers have it.
  case firstToken = "first_token"

  /// The name of the linear map that gives the logit.
  func classifierName(_ architecture: any Architecture) -> String {
    self == .pooler ? architecture.classifierName : "classifier"
  }

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

package final class SequenceClassifier: SequenceModel {
  package let architecture: any Architecture
  package let kind: CrossEncoderHead
  package var dropout = Dropouts()
  package let parameters: Parameters
  private let body: any Body
  private let head: (any Head)?
  private let classifier: LinearLayer  // [labels, width]

  /// All weights are frozen at first. Throws `ModelError.shapeMismatch`, and what `weights` throws.
  package init(
    _ architecture: any Architecture, head kind: CrossEncoderHead = .pooler, labels: Int = 1,
    weights: some WeightSource, on device: any Device
  ) throws {
    let builder = ModelBuilder(weights)
    self.architecture = architecture
    self.kind = kind
    (body, head, classifier) = try architecture.crossEncoder(builder, kind, labels)
    outputWidth = labels
    parameters = Parameters(builder, on: device)
  }

  /// The module, at the model's root, that gives the logit.
  package var classifierModule: String { String(classifier.name.prefix { $0 != "." }) }
  /// Labels of the head: one, whose logit is the score, or two.
  package let outputWidth: Int
  package var maxTokens: Int { architecture.maxTokens }

  /// Lets the head of one label begin from a logit, whatever it reads; after the weights are made trainable. Gives false
  /// where the head has no bias.
  package func setBias(_ logit: Double) -> Bool {
    guard let bias = classifier.bias else { return false }
    bias.value.update(from: StoredTensor([Float(logit)], [1]))
    bias.changed()
    return true
  }

  package func forward(_ batch: PackedBatch, on tape: Tape) throws -> Variable {
    let rows = batch.sequenceRows
    let pooling = kind == .pooler ? architecture.classifierPooling : .cls
    let asked = AskedTokens([pooling], in: batch)
    let states = try body.forward(batch, asked: asked, on: tape, dropout)
    let pooled = asked == .all ? tape.pool(states, [pooling], batch: batch) : states
    let read = head?.forward(pooled, rows: rows, on: tape, dropout) ?? pooled
    return classifier(tape.dropout(read, dropout.head, rows: rows), rows: rows, on: tape)
  }
}

extension Architecture {
  /// Every weight of the bare encoder with its shape.
  package var encoderShapes: [NamedShape] {
    get throws { try ModelBuilder.list { _ = try body($0, at: "") } }
  }

  /// What a checkpoint of the bare encoder may have besides.
  package var poolerShapes: [NamedShape] {
    get throws { try ModelBuilder.list { try pooler($0, at: "") } }
  }

  /// Every weight of the cross-encoder with its shape.
  package func crossEncoderShapes(_ kind: CrossEncoderHead = .pooler, labels: Int = 1) throws -> [NamedShape] {
    try ModelBuilder.list { _ = try crossEncoder($0, kind, labels) }
  }

  fileprivate func crossEncoder(
    _ builder: ModelBuilder, _ kind: CrossEncoderHead, _ labels: Int
  ) throws -> (any Body, (any Head)?, LinearLayer) {
    (
      try body(builder, at: prefix), kind == .pooler ? try head(builder, at: prefix) : nil,
      try builder.linear(
        kind.classifierName(self), labels, width, hasBias: kind == .firstToken || classifierHasBias,
        deviation: initializerRange)
    )
  }
}
