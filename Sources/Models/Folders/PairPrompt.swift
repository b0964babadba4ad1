/// The text that a language model which judges pairs is asked with.
import Basics
import Foundation
import JSONText

/// A query and a passage inside a text that says what is asked of them, and names its special tokens itself.
package struct PairPrompt: Sendable, Hashable {
  private let before, between, after: String

  package func text(query: String, passage: String) -> String { before + query + between + passage + after }

  /// That of Qwen3-Reranker's model card (Zhang et al. 2025).
  /// - Parameter instruction: what passages are to fit; absent: the card's own words.
  init(instruction: String?) {
    let instruction = instruction ?? "Given a web search query, retrieve relevant passages that answer the query"
    before = "<|im_start|>system\n\(Self.task)<|im_end|>\n<|im_start|>user\n<Instruct>: \(instruction)\n<Query>: "
    between = "\n<Document>: "
    after = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
  }

  private static let task =
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer "
    + "can only be \"yes\" or \"no\"."
  private static let parts = [String(task.prefix { $0 != "." }), "<Instruct>", "<Query>", "<Document>", "<think>"]

  static let templateFile = "chat_template.jinja"

  /// What a cross-encoder's folder asks with: nothing of its own without a chat template.
  /// - Parameter isNeeded: whether a chat template has to be one that is known here.
  /// - Throws: a `CheckpointError` if it is not.
  init?(_ transformer: URL, in root: URL, instruction: String?, isNeeded: Bool) throws {
    let file = transformer.appending(path: Self.templateFile)
    let settings = try Configuration(ifPresent: transformer.appending(path: "tokenizer_config.json"), in: root)
    guard let template = try Self.text(of: file, in: root) ?? settings?.values["chat_template"]?.string else {
      return nil
    }
    guard Self.parts.allSatisfy({ template.contains($0) }) else {
      guard isNeeded else { return nil }
      throw CheckpointError(
        file, found: "a chat template that asks otherwise than Qwen3-Reranker's",
        expected: "one with \(Self.parts.map { "“\($0)”" }.joined(separator: ", "))",
        remedy: "No other is read yet.")
    }
    self.init(instruction: instruction)
  }

  private static func text(of file: URL, in root: URL) throws -> String? {
    guard ForeignFile.exists(file) else { return nil }
    let data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
      try ForeignFile.contents(of: file, in: root, atMost: 1 << 20)
    }
    return String(decoding: data, as: UTF8.self)
  }
}
