/// A bi-encoder: each text alone to one vector, whose cosines say which texts belong together.
import Foundation
import Models
import Tensors
import Tokenizers

package final class BiEncoder {
  package let model: Encoder
  /// What it was read from, which also writes it.
  package let folder: CheckpointFolder
  /// Tokens, special ones included, after which a text is cut.
  package let maxTokens: Int
  /// Of all texts tokenized so far.
  package private(set) var health = TokenHealth()
  private let tokenizer: Tokenizer
  private let prompts: [TextRole: Prompt]
  /// What the user should hear of the folder: what is done otherwise than it says, or taken where it says nothing.
  package let notices: [String]

  /// - Parameters:
  ///   - maxTokens: absent: what the folder says; never more than the model has positions for.
  ///   - base: what the folder changes if it is an adapter of PEFT.
  ///   - pooling: absent: the folder's.
  ///   - prompts: those that are other than the folder's.
  /// - Throws: `CheckpointError`, `TokenizerError`.
  package init(
    folder url: URL, base: URL? = nil, on device: any Device, maxTokens: Int? = nil, pooling: PoolingMode? = nil,
    prompts others: [TextRole: String] = [:]
  ) throws {
    var (folder, tokenizer, notices) = try Profile.measure(.loading) { try Self.open(url, base: base) }
    try folder.change(pooling: pooling, prompts: others)
    if pooling != nil { notices.removeAll(where: folder.encoderNotices.contains) }
    (self.folder, self.tokenizer, self.notices) = (folder, tokenizer, notices)
    model = try Profile.measure(.loading) { try folder.encoder(on: device) }
    self.maxTokens = min(maxTokens ?? folder.settings.maxSequenceLength, model.maxTokens)
    let limit = self.maxTokens
    prompts = Dictionary(
      uniqueKeysWithValues: TextRole.allCases.map { role in
        let text = folder.settings.prompt(for: role)
        let unpooled =
          text.isEmpty || folder.settings.includesPrompt
          ? 0 : tokenizer.promptTokens(folder.settings.lowercases ? text.lowercasedAsPython : text, maxLength: limit)
        return (role, Prompt(text: text, unpooled: unpooled))
      })
  }

  private struct Prompt {
    var text: String
    /// Its tokens, if these are not pooled.
    var unpooled: Int
  }

  /// Reads and checks all that the folder holds, of the weights only names and shapes.
  package static func open(
    _ url: URL, base: URL? = nil
  ) throws -> (folder: CheckpointFolder, tokenizer: Tokenizer, notices: [String]) {
    let folder = try CheckpointFolder(url, base: base)
    try folder.checkEncoder()
    let tokenizer = try Tokenizer(folder: folder.transformer)
    return (folder, tokenizer, folder.notices + folder.encoderNotices + tokenizer.notices)
  }

  /// Elements of its vectors.
  package var width: Int { min(folder.settings.truncateDimension ?? .max, model.outputWidth) }

  /// What compares its vectors.
  package var similarity: Similarity { folder.settings.comparison }

  /// The text as the model reads it, and what tells its vector from that of an equal one: how much of it is not pooled.
  package func identity(of text: String, as role: TextRole) -> String {
    let unpooled = prompts[role]?.unpooled ?? 0
    return prompted(text, as: role) + (unpooled > 0 ? "\0\(unpooled)" : "")
  }

  func prompted(_ text: String, as role: TextRole) -> String {
    let prompted = (prompts[role]?.text ?? "") + text
    return folder.settings.lowercases ? prompted.lowercasedAsPython : prompted
  }

  private func input(_ text: String, as role: TextRole) -> Encoding {
    var encoding = tokenizer.encode(prompted(text, as: role), maxLength: maxTokens)
    encoding.unpooled = prompts[role]?.unpooled ?? 0
    return encoding
  }

  /// Model inputs, the folder's prompt for this role before each text. Throws `EmptyText`, with the name that `record` gives.
  package func tokenize(
    _ texts: [String], as role: TextRole = .plain, record: (Int) -> String = { "text \($0 + 1)" }
  ) throws -> [Encoding] {
    try Training.tokenize(texts.count, on: model.device, into: &health, record: record) { input(texts[$0], as: role) }
  }

  /// [inputs, width]; rows of length 1 if `normalizing`. If the folder says so they are, too, but as
  /// sentence-transformers has it before they are truncated.
  package func embed(
    _ inputs: [Encoding], normalizing: Bool = false, progress: (Int) -> Void = { _ in }
  ) throws -> Tensor {
    finished(try model.outputs(of: inputs, progress: progress), normalizing)
  }

  private func finished(_ outputs: Tensor, _ normalizing: Bool) -> Tensor {
    if normalizing || folder.settings.normalizes { outputs.normalizeRows() }
    guard width < outputs.columns else { return outputs }
    let truncated = outputs.firstColumns(width)
    if normalizing { truncated.normalizeRows() }
    return truncated
  }

  /// Both, [texts, width], as sentence-transformers' `encode`; `progress` hears of the texts done.
  package func encode(
    _ texts: [String], as role: TextRole = .plain, normalizing: Bool = false,
    record: (Int) -> String = { "text \($0 + 1)" },
    progress: (Int) -> Void = { _ in }
  ) throws -> Tensor {
    var health = TokenHealth()
    let embeddings = try model.outputs(count: texts.count, progress: progress) { range in
      try Training.tokenize(range, into: &health, record: record) { input(texts[$0], as: role) }
    }
    self.health.merge(health)
    return finished(embeddings, normalizing)
  }
}

extension SentenceSettings {
  /// What compares vectors. Of unit vectors, unless they are truncated, the product is the cosine.
  package var comparison: Similarity { normalizes && truncateDimension == nil ? .cosine : similarity }
}
