/// A language model: a prompt's continuation → the logarithm of its probability.
import Foundation
import Models
import Tensors
import Tokenizers

/// Tokens, and how many of them are the prompt: the others are its continuation.
package struct PromptedText: Sendable {
  package let ids: [Int32]
  package let promptTokens: Int

  package init(prompt: [Int32], continuation: [Int32]) {
    ids = prompt + continuation
    promptTokens = prompt.count
  }

  package var continuationTokens: Int { ids.count - promptTokens }
}

package final class LanguageModel {
  package let model: CausalModel
  package let tokenizer: Tokenizer
  package let maxTokens: Int
  /// Where its tokenizer's files are.
  package let folder: URL
  /// Tokens with which it ends what it says, as generation_config.json says, or else config.json.
  package let endTokens: Set<Int32>
  /// What the user should hear of the folder: what is done otherwise than it says.
  package let notices: [String]
  /// Tokens that were computed, and that would have been if no beginning were shared.
  package private(set) var tokens = (computed: 0, whole: 0)

  /// Tokens that run together, and those of them and their beginnings: bound the memory of activations, decide no bit.
  private static let (tokensPerBatch, keysPerBatch) = (4096, 1 << 15)

  /// - Parameters:
  ///   - base: what the folder changes if it is an adapter of PEFT.
  ///   - maxTokens: absent: as many as the model has positions for.
  /// - Throws: `CheckpointError`, `TokenizerError`, `ModelError`.
  package init(folder url: URL, base: URL? = nil, on device: any Device, maxTokens: Int? = nil) throws {
    let (folder, tokenizer) = try Profile.measure(.loading) { try Self.open(url, base: base) }
    (self.tokenizer, notices) = (tokenizer, folder.notices + tokenizer.notices)
    self.folder = folder.transformer
    endTokens = try folder.endTokens()
    model = try Profile.measure(.loading) { try folder.causalModel(on: device) }
    self.maxTokens = min(maxTokens ?? .max, model.maxTokens)
  }

  /// Reads and checks all that the folder holds, of the weights only names and shapes.
  package static func open(_ url: URL, base: URL? = nil) throws -> (folder: CheckpointFolder, tokenizer: Tokenizer) {
    let folder = try CheckpointFolder(url, base: base)
    try folder.checkCausalModel()
    return (folder, try Tokenizer(folder: folder.transformer))
  }

  /// Gives ln p of each text's continuation, given its prompt. Texts of a group share what they begin with, if that is
  /// within their prompts: it is computed once. A text's number depends on no other text.
  /// - Parameter progress: hears of the texts done.
  package func score(_ groups: [[PromptedText]], progress: (Int) -> Void = { _ in }) throws -> [[Double]] {
    var result = groups.map { Array(repeating: 0.0, count: $0.count) }
    var done = 0
    for batch in batches(of: groups) {
      for (place, sum) in try score(batch) { result[place.group][place.text] = sum }
      done += batch.count
      progress(done)
    }
    return result
  }

  private struct Part {
    let place: (group: Int, text: Int)
    let text: PromptedText
    /// Tokens at its front that the others of its group have, too.
    let shared: Int

    var tokens: Int { text.ids.count - shared }
  }

  /// Parts that run together, group by group and, in a group, by their length.
  private func batches(of groups: [[PromptedText]]) -> [[Part]] {
    var batches: [[Part]] = []
    var (tokens, keys) = (0, 0)
    for (index, group) in groups.enumerated() {
      let shared = sharedTokens(group)
      let order = group.indices.sorted { (group[$0].ids.count, $0) < (group[$1].ids.count, $1) }
      for text in order {
        let part = Part(place: (index, text), text: group[text], shared: shared)
        let (more, moreKeys) = (tokens + part.tokens, keys + part.text.ids.count)
        if batches.isEmpty || more > Self.tokensPerBatch || moreKeys > Self.keysPerBatch {
          batches.append([part])
          (tokens, keys) = (part.tokens, part.text.ids.count)
        } else {
          batches[batches.count - 1].append(part)
          (tokens, keys) = (more, moreKeys)
        }
      }
    }
    return batches
  }

  /// How many tokens all of a group begin with, the last of every prompt left out: it predicts a token.
  private func sharedTokens(_ group: [PromptedText]) -> Int {
    guard group.count > 1 else { return 0 }
    let most = group.map { $0.promptTokens - 1 }.min() ?? 0
    let first = group[0].ids
    return (0..<most).first { place in group.contains { $0.ids[place] != first[place] } } ?? most
  }

  private func score(_ parts: [Part]) throws -> [(place: (group: Int, text: Int), sum: Double)] {
    var last: (group: Int, beginning: KeyPages)?
    let past = try parts.map { part -> KeyPages in
      tokens.whole += part.text.ids.count
      guard part.shared > 0 else { return KeyPages() }
      if let last, last.group == part.place.group { return last.beginning }
      let beginning = try beginning(of: part)
      last = (part.place.group, beginning)
      return beginning
    }
    let batch = PackedBatch(
      parts.map { Array($0.text.ids[$0.shared...]) }, chunkSize: sequencesPerChunk, past: parts.map(\.shared))
    tokens.computed += batch.tokens
    let targets = zip(parts, batch.offsets).flatMap { part, offset in
      (part.text.promptTokens..<part.text.ids.count).map { (part.text.ids[$0], offset + $0 - part.shared - 1) }
    }
    let tape = Tape(on: model.parameters.device)
    var scores = try model.scores(of: targets, in: batch, behind: past, on: tape).value.array[...]
    guard scores.allSatisfy(\.isFinite) else { throw NotFiniteOutput(culprit: model.firstNotFinite) }
    return parts.map { part in
      defer { scores = scores.dropFirst(part.text.continuationTokens) }
      return (part.place, scores.prefix(part.text.continuationTokens).reduce(0.0) { $0 + Double($1) })
    }
  }

  /// The last that was made, for batches that split a group.
  private var made: (ids: [Int32], beginning: KeyPages)?

  private func beginning(of part: Part) throws -> KeyPages {
    let ids = Array(part.text.ids.prefix(part.shared))
    if let made, made.ids == ids { return made.beginning }
    made = nil
    let beginning = try model.beginning(ids)
    tokens.computed += ids.count
    made = (ids, beginning)
    return beginning
  }
}

extension LanguageModel {
  /// A prompt's tokens, with the special ones that the tokenizer puts in front of a text, but none behind it.
  package func prompt(_ text: String) -> [Int32] { tokenizer.encodeBeginning(text) }

  /// The tokens of a text that goes on.
  package func continuation(_ text: String) -> [Int32] { tokenizer.encodeAlone(text) }
}
