/// Records → the tokens that a language model goes on from.
import Foundation
import JSONText
import Pipelines
import Training

/// A record and its prompt, as the model reads it.
struct AskedRecord {
  let record: AnswerRecord
  let text: String
  let ids: [Int32]
}

struct Prompter {
  private let parameters: PromptingParameters
  private let model: LanguageModel
  private let chat: ChatPrompt?
  private let begins: Bool
  private let examples: [AnswerRecord]
  private let context: StageContext
  private let stage: String

  /// Warns, once, of a folder without a template.
  /// - Parameters:
  ///   - examples: records with answers, for `few_shot`.
  ///   - template: a chat template in place of the folder's.
  ///   - begins: whether a chat ends with the beginning of the assistant's turn.
  ///   - stage: the stage's name, for messages.
  init(
    _ parameters: PromptingParameters, _ model: LanguageModel, examples: URL?, template: URL? = nil,
    begins: Bool = true, _ context: StageContext, for stage: String
  ) throws {
    (self.parameters, self.model, self.begins) = (parameters, model, begins)
    (self.context, self.stage) = (context, stage)
    self.examples = try examples.map { try parameters.records($0) } ?? []
    for example in self.examples where example.answer == nil {
      throw example.place.error("an example has an `answer`")
    }
    chat = parameters.chat ? try ChatPrompt(folder: model.folder, template: template) : nil
    if chat?.isPlain == true {
      context.warn("[\(stage)] the model's folder has no chat template: turns are lines, as `user: …`")
    }
  }

  /// Throws a `DataError` if the record's messages are none, or the prompt has no token.
  func asked(_ record: AnswerRecord) throws -> AskedRecord {
    let text = try prompt(record)
    let ids = chat == nil ? model.prompt(text) : model.continuation(text)
    guard !ids.isEmpty else { throw record.place.error("the prompt has no token") }
    return AskedRecord(record: record, text: text, ids: ids)
  }

  /// The records whose prompts leave room for so many new tokens; how many do not is told. Throws a `DataError` if none
  /// does.
  func asked(_ records: [AnswerRecord], of file: URL, newTokens: Int) throws -> [AskedRecord] {
    let all = try records.map(asked)
    let tooLong = all.filter { $0.ids.count + newTokens > model.maxTokens }
    guard tooLong.count < all.count else {
      throw DataError(file, "no prompt leaves room for \(newTokens) new tokens within \(model.maxTokens)")
    }
    if let longest = tooLong.max(by: { $0.ids.count < $1.ids.count }) {
      context.warn(
        "[\(stage)] \(tooLong.count) of \(all.count) prompts of \(file.lastPathComponent) are left out: with \(newTokens) new "
          + "tokens they are longer than \(model.maxTokens), the longest, of `\(longest.record.id)`, by itself "
          + "\(longest.ids.count); raise `max_len`, or lower `max_new_tokens` or what prompts show")
    }
    return all.filter { $0.ids.count + newTokens <= model.maxTokens }
  }

  /// Tokens that end a turn.
  func endTokens() throws -> Set<Int32> { try chat?.endTokens(model) ?? [] }

  private func prompt(_ record: AnswerRecord) throws -> String {
    if let messages = record.fields["messages"] {
      guard let chat else { throw record.place.error("`messages` are turns of a chat: `chat: true`") }
      return try chat.text(turns(messages, record), begins: begins)
    }
    let shown = examples.filter { $0.type == record.type && $0.query != record.query }.prefix(parameters.fewShot)
    let text = try parameters.text(record)
    guard let chat else {
      let before = try shown.map { try parameters.text($0) + ($0.answer ?? "") + "\n\n" }
      return before.joined() + text
    }
    var turns: [ChatTurn] = []
    if let system = record.type.flatMap({ parameters.systems[$0] }) ?? parameters.system {
      turns.append(ChatTurn(role: "system", content: system))
    }
    for example in shown {
      turns.append(ChatTurn(role: "user", content: try parameters.text(example)))
      turns.append(ChatTurn(role: "assistant", content: example.answer ?? ""))
    }
    turns.append(ChatTurn(role: "user", content: text))
    return try chat.text(turns, begins: begins)
  }

  private func turns(_ messages: JSONValue, _ record: AnswerRecord) throws -> [ChatTurn] {
    try (messages.elements ?? []).map { message in
      guard let role = message["role"]?.string, let content = message["content"]?.string else {
        throw record.place.error("`messages` is to be a list of objects with `role` and `content`")
      }
      return ChatTurn(role: role, content: content)
    }
  }
}
