/// A chat as one text, as the model's folder says; turns as lines where it says nothing.
import Basics
import Foundation
import JSONText
import Templates

package struct ChatTurn: Sendable {
  package let role, content: String

  package init(role: String, content: String) { (self.role, self.content) = (role, content) }
}

/// A folder's chat template that cannot be used, and why.
package struct ChatTemplateProblem: Error, CustomStringConvertible {
  let file: URL
  let reason: String
  package var description: String { "\(file.path): \(reason)" }
}

package struct ChatPrompt: Sendable {
  private let template: ChatTemplate?
  private let file: URL
  /// The tokens that templates name.
  private let tokens: [JSONMember]
  private static let mostBytes = 1 << 24

  /// Whether the folder has no template.
  package var isPlain: Bool { template == nil }

  /// Reads chat_template.jinja, or else what tokenizer_config.json has. Throws a `ChatTemplateProblem`.
  /// - Parameter template: a file that has another template.
  package init(folder: URL, template other: URL? = nil) throws {
    let (own, settings) = (
      other ?? folder.appending(path: "chat_template.jinja"), folder.appending(path: "tokenizer_config.json")
    )
    var fields: JSONValue = [:]
    if ForeignFile.exists(settings) {
      let bytes = try Self.read(settings)
      do {
        fields = try bytes.withUnsafeBytes { bytes in
          var reader = JSONReader(bytes)
          return try reader.onlyValue()
        }
      } catch let error as JSONError { throw ChatTemplateProblem(file: settings, reason: error.description) }
    }
    tokens = (fields.members ?? []).compactMap { member in
      guard member.key.hasSuffix("_token"), let text = member.value.string ?? member.value["content"]?.string else {
        return nil
      }
      return JSONMember(member.key, .string(text))
    }
    var text: String?
    if ForeignFile.exists(own) {
      file = own
      text = String(decoding: try Self.read(own), as: UTF8.self)
    } else {
      file = settings
      let stored = fields["chat_template"]
      text = stored?.string ?? stored?.elements?.first { $0["name"]?.string == "default" }?["template"]?.string
    }
    do throws(TemplateError) {
      template = try text.map { (text) throws(TemplateError) in try ChatTemplate(text) }
    } catch {
      throw ChatTemplateProblem(file: file, reason: "the chat template, \(error)")
    }
  }

  private static func read(_ file: URL) throws(ChatTemplateProblem) -> Data {
    do { return try ForeignFile.contents(of: file, atMost: mostBytes) } catch {
      throw ChatTemplateProblem(file: file, reason: "\(error)")
    }
  }

  /// The turns and, if the assistant's `begins`, its beginning. Throws a `ChatTemplateProblem`.
  package func text(_ turns: [ChatTurn], begins: Bool = true) throws -> String {
    guard let template else {
      return turns.map { "\($0.role): \($0.content)\n" }.joined() + (begins ? "assistant: " : "")
    }
    let messages: [JSONValue] = turns.map { ["role": .string($0.role), "content": .string($0.content)] }
    let variables = [
      JSONMember("messages", .array(messages)), JSONMember("add_generation_prompt", .bool(begins)),
      JSONMember("tools", .null), JSONMember("documents", .null),
    ]
    do throws(TemplateError) { return try template.fill(variables + tokens) } catch {
      throw ChatTemplateProblem(file: file, reason: "the chat template, \(error)")
    }
  }
  /// The special token that the template puts behind an assistant's turn, if it does. Throws a `ChatTemplateProblem`.
  package func endTokens(_ model: LanguageModel) throws -> Set<Int32> {
    guard !isPlain else { return [] }
    let said = "0123456789"
    let turns = [ChatTurn(role: "user", content: "?"), ChatTurn(role: "assistant", content: said)]
    let text = try text(turns, begins: false)
    guard let place = text.range(of: said, options: [.literal, .backwards]),
      let token = model.continuation(String(text[place.upperBound...])).first,
      try model.tokenizer.decoder().decode([token]).isEmpty
    else { return [] }
    return [token]
  }
}
