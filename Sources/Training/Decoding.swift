/// Decoding: prompts → completions, token by token, all running sequences in one batch. A completion's tokens follow from
/// its prompt, its seed and the sample's number; neither from its batch-mates nor from how many there are.
import Foundation
import Models
import Tensors
import Tokenizers

extension LanguageModel {
  /// Sequences that run together, tokens that they may come to, and tokens of prompts that are read at once: bound the
  /// memory, decide no bit.
  private static let (rowsAtOnce, tokensAtOnce, promptTokensAtOnce) = (64, 1 << 14, 4096)

  /// Gives `samples` completions of each prompt, which its samples read once together.
  /// - Parameters:
  ///   - prompts: none empty, each of fewer tokens than the model has positions for.
  ///   - seeds: one for each prompt.
  ///   - heard: hears of each token as it comes: of which prompt, which sample.
  ///   - done: hears of each prompt, and of its completions, when they are all there.
  /// - Throws: `ModelError` on a prompt that is too long; `NotFiniteOutput`; what `done` throws.
  package func complete(
    prompts: [[Int32]], samples: Int, sampling: Sampling, seeds: [UInt64],
    heard: (_ prompt: Int, _ sample: Int, _ token: Int32) throws -> Void = { _, _, _ in },
    done: (_ prompt: Int, _ completions: [Completion]) throws -> Void = { _, _ in }
  ) throws -> [[Completion]] {
    precondition(
      samples > 0 && seeds.count == prompts.count && prompts.allSatisfy { !$0.isEmpty },
      "a sample, and a seed and a token of each prompt")
    let decoder = try Decoder(self, sampling)
    var result: [[Completion?]] = prompts.map { _ in Array(repeating: nil, count: samples) }
    var missing = prompts.map { _ in samples }
    func take(_ drawn: [RunningSequence]) throws -> [RunningSequence] {
      for sequence in drawn {
        guard let token = sequence.completion.tokens.last else { continue }
        try heard(sequence.prompt, sequence.sample, token)
        guard sequence.hasEnded else { continue }
        result[sequence.prompt][sequence.sample] = sequence.completion
        missing[sequence.prompt] -= 1
        if missing[sequence.prompt] == 0 {
          try done(sequence.prompt, result[sequence.prompt].compactMap(\.self))
        }
      }
      return drawn.filter { !$0.hasEnded }
    }
    var (waiting, running, next): ([RunningSequence], [RunningSequence], Int) = ([], [], 0)
    while next < prompts.count || !waiting.isEmpty || !running.isEmpty {
      while next < prompts.count, running.count + waiting.count < Self.rowsAtOnce {
        let end = Self.batch(
          prompts, from: next, most: (Self.rowsAtOnce - running.count - waiting.count + samples - 1) / samples)
        waiting += try take(
          decoder.begin(
            (next..<end).map { RunningSequence(prompt: $0, ids: prompts[$0], seed: seeds[$0]) }, samples: samples))
        next = end
      }
      var tokens = running.reduce(0) { $0 + $1.mostTokens(sampling) }
      while let first = waiting.first, running.count < Self.rowsAtOnce,
        running.isEmpty || tokens + first.mostTokens(sampling) <= Self.tokensAtOnce
      {
        tokens += first.mostTokens(sampling)
        running.append(waiting.removeFirst())
      }
      if !running.isEmpty { running = try take(decoder.step(&running)) }
    }
    return result.map { $0.compactMap(\.self) }
  }

  /// Where the prompts end that are read together from `first` on.
  private static func batch(_ prompts: [[Int32]], from first: Int, most: Int) -> Int {
    var (end, tokens) = (first, 0)
    repeat {
      tokens += prompts[end].count
      end += 1
    } while end < prompts.count && end - first < most && tokens + prompts[end].count <= promptTokensAtOnce
    return end
  }
}

/// A prompt, what the model has read of it, and what it has said.
private struct RunningSequence {
  let prompt: Int
  var sample = 0
  let seed: UInt64
  let promptTokens: Int
  var keys = KeyPages()
  var completion = Completion()
  var hasEnded = false
  /// Tokens that are there; followed only where they are penalised.
  var seen: Set<Int32>

  init(prompt: Int, ids: [Int32], seed: UInt64) {
    (self.prompt, self.seed, promptTokens, seen) = (prompt, seed, ids.count, Set(ids))
    self.ids = ids
  }

  let ids: [Int32]

  /// Tokens that it may come to.
  func mostTokens(_ sampling: Sampling) -> Int { promptTokens + sampling.maxNewTokens }
}

/// The steps of decoding.
private struct Decoder {
  private let model: LanguageModel
  private let sampling: Sampling
  private let stopTokens: Set<Int32>
  /// Where texts are to stop.
  private let text: TokenDecoder?

  init(_ model: LanguageModel, _ sampling: Sampling) throws {
    (self.model, self.sampling) = (model, sampling)
    stopTokens = sampling.stopTokens.union(model.endTokens)
    text = sampling.stop.isEmpty ? nil : try model.tokenizer.decoder()
  }

  /// Reads prompts and draws the first token of each sample, which share the prompt's pages.
  func begin(_ prompts: [RunningSequence], samples: Int) throws -> [RunningSequence] {
    let batch = PackedBatch(prompts.map(\.ids), chunkSize: sequencesPerChunk)
    var keys = prompts.map { _ in KeyPages() }
    let logits = try model.model.next(batch, behind: &keys, temperature: sampling.divisor)
    var sequences: [RunningSequence] = []
    var rows: [Int] = []
    for (row, prompt) in prompts.enumerated() {
      for sample in 0..<samples {
        var sequence = prompt
        (sequence.keys, sequence.sample) = (keys[row], sample)
        sequences.append(sequence)
        rows.append(row)
      }
    }
    try draw(&sequences, logits, rows: rows)
    return sequences
  }

  /// Draws the next token of each.
  func step(_ sequences: inout [RunningSequence]) throws -> [RunningSequence] {
    var keys = sequences.map(\.keys)
    // Nobody else holds the pages that are written to, unless another sequence shares them.
    for index in sequences.indices { sequences[index].keys = KeyPages() }
    let batch = PackedBatch(
      sequences.map { $0.completion.tokens.suffix(1) }, chunkSize: sequencesPerChunk, past: keys.map(\.tokens))
    let logits = try model.model.next(batch, behind: &keys, temperature: sampling.divisor)
    for index in sequences.indices { sequences[index].keys = keys[index] }
    try draw(&sequences, logits, rows: Array(sequences.indices))
    return sequences
  }

  /// - Parameter rows: which row of the logits is each sequence's.
  private func draw(_ sequences: inout [RunningSequence], _ logits: VocabularyLogits, rows: [Int]) throws {
    guard logits.logSums.allSatisfy(\.isFinite) else { throw NotFiniteOutput(culprit: model.model.firstNotFinite) }
    let byRow = RowLogits(logits, on: model.model.parameters.device)
    let states = sequences
    let drawn = lookedUp(sequences.count) { index -> (Int, Float) in
      let sequence = states[index]
      return byRow.with(rows[index], copies: sampling.repetitionPenalty != 1) { values in
        let number = SeededDraws(seed: sequence.seed).token(
          sample: sequence.sample, position: sequence.completion.tokens.count)
        let token = sampling.draw(values, seen: sequence.seen, number)
        return (token, byRow.logit(rows[index], token) - logits.logSums[rows[index]])
      }
    }
    for (index, (token, logProbability)) in drawn.enumerated() {
      add(Int32(token), logProbability, to: &sequences[index])
    }
  }

  /// Results of `body` for each index, computed on the device's threads of the host.
  private func lookedUp(_ count: Int, _ body: (Int) -> (Int, Float)) -> [(Int, Float)] {
    [(Int, Float)](unsafeUninitializedCapacity: count) { results, filled in
      // Pieces write to places of their own.
      nonisolated(unsafe) let results = results
      model.model.parameters.device.onHost(count) { index in
        results.initializeElement(at: index, to: body(index))
      }
      filled = count
    }
  }

  private func add(_ token: Int32, _ logProbability: Float, to sequence: inout RunningSequence) {
    sequence.completion.tokens.append(token)
    sequence.completion.logProbabilities.append(logProbability)
    if sampling.repetitionPenalty != 1 { sequence.seen.insert(token) }
    let count = sequence.completion.tokens.count
    if stopTokens.contains(token) || hasStopText(sequence.completion.tokens) {
      sequence.completion.finishReason = .stop
      sequence.hasEnded = true
    } else if count == sampling.maxNewTokens || sequence.promptTokens + count >= model.maxTokens {
      sequence.hasEnded = true
    }
  }

  /// Whether a stop text stands anywhere: its end may come in the middle of a token.
  private func hasStopText(_ tokens: [Int32]) -> Bool {
    guard let text else { return false }
    let bytes = Array(text.decode(tokens).utf8)
    return sampling.stop.contains { stop in bytes.firstRange(of: Array(stop.utf8)) != nil }
  }
}

/// Logits row by row, [n, vocabulary].
private final class RowLogits: @unchecked Sendable {
  // `@unchecked`: rows are changed by who draws from a copy of them alone.
  private let values: UnsafeMutableBufferPointer<Float>
  private let vocabulary: Int

  init(_ logits: VocabularyLogits, on device: any Device) {
    let rows = logits.logSums.count
    let vocabulary = logits.blocks.last?.tokens.upperBound ?? 0
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows * vocabulary)
    (self.values, self.vocabulary) = (values, vocabulary)
    nonisolated(unsafe) let all = values
    device.onHost(logits.blocks.count) { index in
      let (tokens, block) = logits.blocks[index]
      block.bytes.withUnsafeBytes { bytes in
        let from = bytes.assumingMemoryBound(to: Float.self)
        for row in 0..<rows {
          let to = row * vocabulary + tokens.lowerBound
          for place in 0..<tokens.count { all[to + place] = from[place * rows + row] }
        }
      }
    }
  }

  deinit { values.deallocate() }

  func logit(_ row: Int, _ token: Int) -> Float { values[row * vocabulary + token] }

  /// Calls `body` with a row, or with a copy that it may change.
  func with<Result>(_ row: Int, copies: Bool, _ body: (UnsafeMutableBufferPointer<Float>) -> Result) -> Result {
    let own = UnsafeMutableBufferPointer(rebasing: values[row * vocabulary..<(row + 1) * vocabulary])
    guard copies else { return body(own) }
    let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: vocabulary)
    defer { copy.deallocate() }
    _ = copy.initialize(from: own)
    return body(copy)
  }
}
