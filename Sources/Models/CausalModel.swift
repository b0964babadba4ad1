/// A decoder that predicts: token sequences → the logarithm of each token's probability after those before it.
import Tensors

package final class CausalModel {
  package let parameters: Parameters
  package var dropout = Dropouts()
  private let body: DecoderBody
  /// The map to the vocabulary [vocabulary, width]: the table of embeddings, or one of its own.
  private let output: Weight

  /// All weights are frozen at first. Throws `ModelError.unsupported` if tokens see those after them, and what
  /// `weights` throws.
  package init(_ architecture: Decoder, weights: some WeightSource, on device: any Device) throws {
    guard !architecture.isBidirectional else {
      throw ModelError.unsupported(key: "use_bidirectional_attention", found: "true", expected: "false: a decoder")
    }
    let builder = ModelBuilder(weights)
    body = try DecoderBody(architecture, builder, architecture.prefix)
    output =
      architecture.tiesOutput
      ? body.embedding
      : try builder.table(
        "lm_head.weight", architecture.vocabularySize, architecture.hiddenSize,
        .normal(deviation: architecture.initializerRange))
    parameters = Parameters(builder, on: device)
  }

  /// Freezes the base and gives each target linear an adapter. Throws `ModelError` on a target that matches none.
  package func attach(lora: LoRASettings, seed: UInt64) throws { try parameters.attach(lora, seed: seed) }

  /// → ln p [T, 1] of the token that follows each, given it and those before it in its sequence; of a sequence's last
  /// token, which none follows, a number that means nothing.
  package func scores(_ batch: PackedBatch, on tape: Tape) throws -> Variable {
    let states = try body.forward(batch, asked: .all, on: tape, dropout)
    return tape.tokenScores(states, rows: batch.tokenRows, weight: output, targets: batch.ids.dropFirst() + [0])
  }

  /// → ln p [n, 1] of tokens, each of which follows the one at its place in the batch, given that and those before it in
  /// its sequence and in what its sequence goes on from.
  /// - Parameters:
  ///   - targets: places ascend.
  ///   - past: what each sequence goes on from, whose tokens the batch counts as its past; absent: none goes on.
  ///   - temperature: what logits are divided by.
  package func scores(
    of targets: [(token: Int32, place: Int)], in batch: PackedBatch, behind past: [KeyPages]? = nil,
    temperature: Float = 1, on tape: Tape
  ) throws -> Variable {
    let states = try body.forward(
      batch, asked: .all, past.map { KeyValues(behind: $0, keeps: false) }, on: tape, dropout)
    let read = tape.gather(states, targets.map { Int32($0.place) })
    return tape.tokenScores(
      temperature == 1 ? read : tape.scale(read, by: 1 / temperature),
      rows: batch.tokenRows.chosen(targets.map(\.place)), weight: output, targets: targets.map(\.token))
  }

  /// The keys and values of tokens that sequences begin with.
  package func beginning(_ ids: [Int32]) throws -> KeyPages {
    let batch = PackedBatch([ids])
    let memory = KeyValues(behind: [KeyPages()], keeps: true)
    _ = try body.forward(batch, asked: .last, memory, on: Tape(on: parameters.device), Dropouts())
    return memory.sequences[0]
  }

  /// Logits of the token that follows each sequence's last.
  /// - Parameters:
  ///   - sequences: what each goes on from and, afterwards, has come to: the batch's tokens are put there.
  ///   - temperature: what logits are divided by.
  package func next(
    _ batch: PackedBatch, behind sequences: inout [KeyPages], temperature: Float = 1
  ) throws -> VocabularyLogits {
    let memory = KeyValues(behind: sequences, keeps: true)
    // The memory alone has the pages now, so that none is copied which is not shared.
    sequences = []
    let tape = Tape(on: parameters.device)
    let states = try body.forward(batch, asked: .last, memory, on: tape, Dropouts())
    sequences = memory.sequences
    return tape.logits(temperature == 1 ? states : tape.scale(states, by: 1 / temperature), weight: output)
  }

  /// The first weight that has a number which is none, by name.
  package var firstNotFinite: String? { parameters.all.first { !$0.fp32.isFinite }?.name }

  /// Most tokens that a sequence may have, those that it goes on from included.
  package var maxTokens: Int { body.maxTokens }
}

extension Architecture {
  /// Tokens of the vocabulary that the model predicts. Throws a `CheckpointError` if it predicts none.
  func vocabularyOfCausalModel(_ file: Configuration) throws -> Int { try causalModel(file).vocabularySize }

  /// Throws a `CheckpointError` if this is no decoder.
  func causalModel(_ file: Configuration) throws -> Decoder {
    guard let decoder = self as? Decoder else {
      throw CheckpointError(
        file.file, "key \"model_type\"", found: "\"\(file.values["model_type"]?.string ?? "")\"",
        expected: Decoder.modelTypes.map { "\"\($0)\"" }.joined(separator: " or "))
    }
    return decoder
  }
}

extension CheckpointFolder {
  /// Throws a `CheckpointError` that names every missing, unexpected or misshapen tensor, or another architecture.
  package func causalModel(on device: any Device) throws -> CausalModel {
    try checkCausalModel()
    return try CausalModel(architecture.causalModel(configuration), weights: weights(on: device), on: device)
  }

  /// Throws what `causalModel` would throw before it reads a weight.
  package func checkCausalModel() throws {
    _ = try architecture.causalModel(configuration)
    try checkEncoder()
  }
}

extension CheckpointFolder {
  /// Tokens with which the model ends what it says: `eos_token_id` of generation_config.json or else of config.json, a
  /// number or a list of them. Throws a `CheckpointError` where it is something else.
  package func endTokens() throws -> Set<Int32> {
    let file = configuration.file.deletingLastPathComponent().appending(path: "generation_config.json")
    let own = try Configuration(ifPresent: file, in: file.deletingLastPathComponent())
    let key = "eos_token_id"
    guard let source = own?.has(key) == true ? own : configuration, source.has(key), let value = source.values[key]
    else { return [] }
    return Set(
      try (value.elements ?? [value]).map { token in
        guard let id = token.int, let id = Int32(exactly: id), id >= 0 else {
          throw CheckpointError(source.file, "key \"\(key)\"", found: value.text(), expected: "a token's id, or a list")
        }
        return id
      })
  }
}
