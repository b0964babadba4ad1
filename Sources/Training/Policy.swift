/// A language model as a policy: prompts with completions → ln p of every token of the completions.
import Models
import Tensors

package final class Policy: SequenceModel {
  package let model: CausalModel
  /// What logits are divided by.
  private let temperature: Float
  /// The model that the policy is held against, where that is not the policy without its adapters.
  private let base: CausalModel?
  private static let tokensPerBatch = 4096

  /// - Parameters:
  ///   - temperature: at which it is sampled.
  ///   - base: another copy of the model, needed where all weights train and `reference` is asked for.
  package init(_ model: CausalModel, temperature: Double, base: CausalModel? = nil) {
    (self.model, self.temperature, self.base) = (model, Float(temperature), base)
  }

  package var parameters: Parameters { model.parameters }
  package var outputWidth: Int { 1 }
  package var maxTokens: Int { model.maxTokens }
  package var dropout: Dropouts {
    get { model.dropout }
    set { model.dropout = newValue }
  }

  /// → [tokens that are asked for, 1]: of each sequence those that pooling does not leave out, but for the first one of a
  /// sequence that begins with it.
  package func forward(_ batch: PackedBatch, on tape: Tape) throws -> Variable {
    try Self.scores(batch, model, temperature, on: tape)
  }

  private static func scores(
    _ batch: PackedBatch, _ model: CausalModel, _ temperature: Float, on tape: Tape
  ) throws -> Variable {
    let targets = (0..<batch.count).flatMap { sequence in
      batch.pooled(sequence).filter { $0 > batch.offsets[sequence] }.map { (batch.ids[$0], $0 - 1) }
    }
    return try model.scores(of: targets, in: batch, temperature: temperature, on: tape)
  }

  /// Prompts with completions as one batch, whose tokens in front are not asked for.
  package static func batch(_ texts: [PromptedText]) -> PackedBatch {
    PackedBatch(texts.map(\.ids), chunkSize: sequencesPerChunk, unpooled: texts.map(\.promptTokens))
  }

  /// ln p of every token of the completions by the model without adapters, or by `base`.
  package func reference(_ texts: [PromptedText]) throws -> [[Float]] {
    try base == nil
      ? parameters.withoutAdapters { try logProbabilities(texts, model) }
      : logProbabilities(texts, base ?? model)
  }

  private func logProbabilities(_ texts: [PromptedText], _ model: CausalModel) throws -> [[Float]] {
    var rows: [[Float]] = []
    var first = 0
    while first < texts.count {
      var (end, tokens) = (first, 0)
      repeat {
        tokens += texts[end].ids.count
        end += 1
      } while end < texts.count && tokens + texts[end].ids.count <= Self.tokensPerBatch
      let part = Array(texts[first..<end])
      let scores = try Self.scores(Self.batch(part), model, temperature, on: Tape(on: model.parameters.device)).value
      guard scores.isFinite else { throw NotFiniteOutput(culprit: model.firstNotFinite) }
      var rest = scores.array[...]
      for text in part {
        rows.append(Array(rest.prefix(text.continuationTokens)))
        rest = rest.dropFirst(text.continuationTokens)
      }
      first = end
    }
    return rows
  }
}
