/// A cross-encoder: query and passage read together, to a logit.
import Foundation
import Models
import Tensors
import Tokenizers

/// How a query and a passage become one input.
package enum PairForm: String, Sendable, CaseIterable {
  /// The tokenizer's own pair: two texts with their special tokens and, where the model has them, types; the longer is cut.
  /// Where a model asks with a prompt of its own, the pair in that.
  case pair
  /// One text, `query [SEP] passage`, whatever the tokenizer makes of the `[SEP]`; its end is cut.
  case text
}

package final class CrossEncoder {
  package let model: SequenceClassifier
  /// What it was read from, which also writes it.
  package let folder: CheckpointFolder
  /// Modules that the folder did not have and that were drawn by lot.
  package let newModules: [String]
  /// Tokens of both texts, special ones included, after which the longer is cut.
  package let maxTokens: Int
  /// Of all pairs tokenized so far.
  package private(set) var health = TokenHealth()
  private let reader: PairReader
  /// What the user should hear of the folder: what is done otherwise than it says.
  package let notices: [String]

  /// - Parameters:
  ///   - maxTokens: absent: what the folder says; never more than the model has positions for.
  ///   - base: what the folder changes if it is an adapter, or the encoder of a teacher that is `best_model.pt`.
  ///   - newHeadSeed: draws a head for a folder that is an encoder; absent, such a folder is refused.
  /// - Throws: `CheckpointError`, `TokenizerError`.
  package init(
    folder url: URL, base: URL? = nil, on device: any Device, maxTokens: Int? = nil, newHeadSeed: UInt64? = nil,
    form: PairForm = .pair
  ) throws {
    let (folder, tokenizer, notices) = try Profile.measure(.loading) {
      try Self.open(url, base: base, mayLackHead: newHeadSeed != nil)
    }
    (self.folder, self.notices) = (folder, notices)
    (model, newModules) = try Profile.measure(.loading) { try folder.crossEncoder(on: device, seed: newHeadSeed ?? 0) }
    self.maxTokens = min(maxTokens ?? folder.settings.maxSequenceLength, model.maxTokens)
    reader = try PairReader(tokenizer, form, folder.readsChats ? PairChat(folder) : nil, maxTokens: self.maxTokens)
  }

  private static let lowercasingNotice =
    "do_lower_case of sentence_bert_config.json is for texts that are embedded; pairs are read as they are"

  /// Reads and checks all that the folder holds, of the weights only names and shapes.
  package static func open(
    _ url: URL, base: URL? = nil, mayLackHead: Bool = false
  ) throws -> (folder: CheckpointFolder, tokenizer: Tokenizer, notices: [String]) {
    let folder = try CheckpointFolder(url, base: base)
    guard folder.isCrossEncoder || mayLackHead else {
      throw CheckpointError(
        url, found: "an encoder without a classification head", expected: "a cross-encoder",
        remedy: "Train one from it with the `teacher` stage.")
    }
    try folder.checkCrossEncoder()
    let prompt = folder.settings.prompt(for: .plain)
    // A base's own prompts are for texts that it embeds.
    guard base != nil || !folder.isCrossEncoder || folder.readsChats || prompt.isEmpty else {
      throw CheckpointError(
        url, "key \"default_prompt_name\"", found: "a prompt, \"\(prompt)\", before each query", expected: "null")
    }
    let tokenizer = try Tokenizer(folder: folder.transformer)
    let unused = folder.settings.lowercases ? [lowercasingNotice] : []
    return (folder, tokenizer, folder.notices + unused + tokenizer.notices)
  }

  /// Model inputs. Throws `EmptyText`, with the name that `record` gives.
  package func tokenize(
    _ pairs: [(query: String, passage: String)], record: (Int) -> String = { "pair \($0 + 1)" }
  ) throws -> [Encoding] {
    try Training.tokenize(pairs.count, on: model.device, into: &health, record: record) {
      try reader.encode(pairs[$0])
    }
  }

  /// How many labels the head has.
  package var labels: Int { model.outputWidth }

  /// What the head gives of tokenized pairs: [pairs, labels].
  package func outputs(_ inputs: [Encoding], progress: (Int) -> Void = { _ in }) throws -> [Float] {
    try model.outputs(of: inputs, progress: progress).array
  }

  /// The logits among outputs: of two labels the second's, as such models' users have it.
  package func logits(_ outputs: [Float]) -> [Float] {
    labels == 1 ? outputs : stride(from: labels - 1, to: outputs.count, by: labels).map { outputs[$0] }
  }

  /// Logits of tokenized pairs.
  package func logits(_ inputs: [Encoding], progress: (Int) -> Void = { _ in }) throws -> [Float] {
    logits(try outputs(inputs, progress: progress))
  }

  /// Logits of pairs, of which σ makes scores; `progress` hears of the pairs done.
  package func score(
    _ pairs: [(query: String, passage: String)], record: (Int) -> String = { "pair \($0 + 1)" },
    progress: (Int) -> Void = { _ in }
  ) throws -> [Float] {
    let reader = reader
    var read = TokenHealth()
    let outputs = try model.outputs(count: pairs.count, progress: progress) { range in
      try Training.tokenize(range, into: &read, record: record) {
        try reader.encode(pairs[$0])
      }
    }
    health.merge(read)
    return logits(outputs.array)
  }
}

/// A pair as a chat, in the turns that sentence-transformers makes of it.
private struct PairChat: Sendable {
  private let chat: ChatPrompt
  private let instruction: [ChatTurn]

  init(_ folder: CheckpointFolder) throws {
    chat = try ChatPrompt(folder: folder.transformer)
    guard !chat.isPlain else {
      throw CheckpointError(
        folder.transformer, found: "no chat template", expected: "one that makes a text of a query and a document")
    }
    let text = folder.settings.prompt(for: .plain)
    instruction = text.isEmpty ? [] : [ChatTurn(role: "system", content: text)]
  }

  func text(query: String, passage: String) throws -> String {
    try chat.text(
      instruction + [ChatTurn(role: "query", content: query), ChatTurn(role: "document", content: passage)])
  }
}

/// Makes inputs of pairs.
private struct PairReader: Sendable {
  private let tokenizer: Tokenizer
  private let form: PairForm
  private let prompt: PairChat?
  /// The tokens that the prompt ends with, whatever the pair is.
  private let ending: [Int32]
  private let maxTokens: Int

  init(_ tokenizer: Tokenizer, _ form: PairForm, _ prompt: PairChat?, maxTokens: Int) throws {
    (self.tokenizer, self.form, self.prompt, self.maxTokens) = (tokenizer, form, prompt, maxTokens)
    let asked = try ["a", "1"].compactMap { try prompt?.text(query: $0, passage: $0) }
      .map { Array(tokenizer.encode(whole: $0, ending: [], maxLength: nil).ids.reversed()) }
    ending = asked.isEmpty ? [] : zip(asked[0], asked[1]).prefix { $0 == $1 }.map(\.0).reversed()
  }

  func encode(_ pair: (query: String, passage: String)) throws -> Encoding {
    guard form == .pair else { return tokenizer.encode("\(pair.query) [SEP] \(pair.passage)", maxLength: maxTokens) }
    guard let prompt else { return try tokenizer.encode(pair: pair, maxLength: maxTokens) }
    return tokenizer.encode(
      whole: try prompt.text(query: pair.query, passage: pair.passage), ending: ending, maxLength: maxTokens)
  }
}
