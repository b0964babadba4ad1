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
  private let prompts: [TextRole: String]
  /// What the user should hear of the folder: what is done otherwise than it says, or taken where it says nothing.
  package let notices: [String]

  /// - Parameters:
  ///   - maxTokens: absent: what the folder says; never more than the model has positions for.
  ///   - base: what the folder changes if it is an adapter of PEFT.
  /// - Throws: `CheckpointError`, `TokenizerError`.
  package init(folder url: URL, base: URL? = nil, on device: any Device, maxTokens: Int? = nil) throws {
    let (folder, tokenizer, notices) = try Profile.measure(.loading) { try Self.open(url, base: base) }
    (self.folder, self.tokenizer, self.notices) = (folder, tokenizer, notices)
    model = try Profile.measure(.loading) { try folder.encoder(on: device) }
    self.maxTokens = min(maxTokens ?? folder.settings.maxSequenceLength, model.maxTokens)
    prompts = folder.settings.promptsByRole
  }

  /// Reads and checks all that the folder holds, of the weights only names and shapes.
  package static func open(
    _ url: URL, base: URL? = nil
  ) throws -> (folder: CheckpointFolder, tokenizer: Tokenizer, notices: [String]) {
    let folder = try CheckpointFolder(url, base: base)
    try folder.checkEncoder()
    let tokenizer = try Tokenizer(folder: folder.transformer)
    guard folder.settings.includesPrompt || folder.settings.promptsByRole.values.allSatisfy(\.isEmpty) else {
      throw CheckpointError(
        url, "pooling", found: "include_prompt: false with prompts", expected: "pooling over all tokens")
    }
    return (folder, tokenizer, folder.notices + folder.encoderNotices + tokenizer.notices)
  }

  /// Elements of its vectors.
  package var width: Int { min(folder.settings.truncateDimension ?? .max, model.outputWidth) }

  /// What compares its vectors.
  package var similarity: Similarity { folder.settings.comparison }

  /// The text as the model reads it.
  package func prompted(_ text: String, as role: TextRole) -> String { reading(as: role)(text) }

  /// What makes of a text what the model reads.
  private func reading(as role: TextRole) -> @Sendable (String) -> String {
    let (prompt, lowercases) = (prompts[role] ?? "", folder.settings.lowercases)
    return { text in
      let prompted = prompt.isEmpty ? text : prompt + text
      return lowercases ? prompted.lowercasedAsPython : prompted
    }
  }

  /// Model inputs, the folder's prompt for this role before each text. Throws `EmptyText`, with the name that `record` gives.
  package func tokenize(
    _ texts: [String], as role: TextRole = .plain, record: (Int) -> String = { "text \($0 + 1)" }
  ) throws -> [Encoding] {
    let read = reading(as: role)
    return try Training.tokenize(texts.count, on: model.device, into: &health, record: record) {
      tokenizer.encode(read(texts[$0]), maxLength: maxTokens)
    }
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
    let (tokenizer, read, maxTokens) = (tokenizer, reading(as: role), maxTokens)
    var health = TokenHealth()
    let embeddings = try model.outputs(count: texts.count, progress: progress) { range in
      try Training.tokenize(range, into: &health, record: record) {
        tokenizer.encode(read(texts[$0]), maxLength: maxTokens)
      }
    }
    self.health.merge(health)
    return finished(embeddings, normalizing)
  }
}

extension SentenceSettings {
  /// What compares vectors. Of unit vectors, unless they are truncated, the product is the cosine.
  package var comparison: Similarity { normalizes && truncateDimension == nil ? .cosine : similarity }
  fileprivate var promptsByRole: [TextRole: String] {
    Dictionary(uniqueKeysWithValues: TextRole.allCases.map { ($0, prompt(for: $0)) })
  }
}
