/// Rewards and words by commands of one's own: JSON lines in, a JSON value a line out.
import Foundation
import JSONText
import Processes

/// A command for bash, and how long it may take.
struct LineCommand {
  let text: String
  var seconds = 60
  /// The file that it finds as `$script`.
  var script: URL?
  /// What messages call it.
  let name: String

  /// One value for each line that goes in. Throws a `RewardError` if it fails, hangs, or answers otherwise.
  func answers(_ lines: [JSONValue]) throws -> [JSONValue] {
    guard !lines.isEmpty else { return [] }
    var input = Data()
    for line in lines {
      input.append(contentsOf: line.text().utf8)
      input.append(0x0A)
    }
    var environment = ["LC_ALL": "C.UTF-8"]
    environment["script"] = script?.path
    let words = ["bash", "-euo", "pipefail", "-c", text]
    let result = try Tool.answer(words, input: input, environment: environment, limit: .seconds(seconds))
    if result.isOverdue { throw failed("has not ended after \(seconds) s and was killed: `\(text)`") }
    guard result.end == .exit(0) else {
      let said = result.errors.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
      throw failed("comes from a command that ended with \(result.end)\(said): `\(text)`")
    }
    let output = result.output.split(separator: 0x0A)
    guard output.count == lines.count else {
      throw failed("comes from a command that answered \(lines.count) lines with \(output.count): `\(text)`")
    }
    return try output.enumerated().map { index, line in
      try line.withUnsafeBytes { bytes in
        var reader = JSONReader(bytes)
        do throws(JSONError) { return try reader.onlyValue() } catch {
          let shown = String(decoding: line.prefix(40), as: UTF8.self)
          throw failed("comes from a command whose line \(index + 1) is no JSON, “\(shown)”: `\(text)`")
        }
      }
    }
  }

  func failed(_ problem: String) -> RewardError { RewardError(reward: name, problem: problem) }
}

struct CommandReward: Reward {
  let command: LineCommand

  func values(_ answers: [PartedAnswer]) throws -> [Double] {
    let lines = answers.map { answer -> JSONValue in
      [
        "completion": .string(answer.given.text), "answer": answer.given.record.answer.map { .string($0) } ?? .null,
        "record": answer.given.record.fields,
      ]
    }
    return try zip(answers, command.answers(lines)).map { answer, value in
      guard let number = value.double else {
        throw RewardError(
          reward: command.name, record: answer.given.record, problem: "is \(value.text()), which is no finite number")
      }
      return number
    }
  }
}

/// Texts → words.
struct WordSplitter {
  let splitting: WordSplitting
  var script: URL?

  func split(_ texts: [String]) throws -> [[String]] {
    switch splitting {
    case .spaces: texts.map { $0.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).map { String($0) } }
    case .syllables: texts.map { $0.filter { !$0.isWhitespace }.map(String.init) }
    case .google:
      texts.map { text in
        text.lowercased().unicodeScalars.split { !("a"..."z").contains($0) && !("0"..."9").contains($0) }.map {
          String($0)
        }
      }
    case .command(let text):
      try byCommand(LineCommand(text: text, script: script, name: "words"), texts)
    }
  }

  private func byCommand(_ command: LineCommand, _ texts: [String]) throws -> [[String]] {
    try command.answers(texts.map { .string($0) }).map { value in
      guard let words = value.elements?.compactMap(\.string), words.count == value.elements?.count else {
        throw command.failed("comes from a command that answered a text with \(value.kind), expected a list of words")
      }
      return words
    }
  }
}
