/// `retort tokenize MODEL FILE`: what a model's tokenizer makes of texts.
import ArgumentParser
import Basics
import Foundation
import Models
import Tokenizers

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the token ids that a model's tokenizer gives texts, one JSON object a line.")

  @Argument(help: "The model's or the tokenizer's folder, or hf://org/name.", completion: .directory) var model: String
  @Argument(help: "JSON lines with `text`, or plain lines where the name ends in .txt.") var file: String
  @Option(help: "Cut to so many tokens, special ones included.") var maxLen: Int?
  @Flag(
    help: "Print one object instead: how well the tokenizer fits the texts, and the seconds it takes on one thread.")
  var summary = false

  private struct Summary: Encodable {
    var texts, tokens: Int
    /// Tokens without the special ones around each text.
    var contentTokens: Int
    var truncatedShare, unknownShare: Double
    /// Of reading the tokenizer's files; of all texts, from strings to ids.
    var loadSeconds, tokenizeSeconds: Double
  }

  func run() throws {
    let clock = ContinuousClock()
    let folder = try modelFolder(model)
    var tokenizer: Tokenizer?
    let loading = try clock.measure {
      tokenizer = try Tokenizer(folder: CheckpointFolder.transformer(in: folder))
      tokenizer?.prepare()
    }
    guard let tokenizer else { return }
    for notice in tokenizer.notices { Terminal.complain(notice) }
    let texts = try TextLines.read(file)
    if summary {
      var encodings: [Encoding] = []
      encodings.reserveCapacity(texts.count)
      let seconds = clock.measure {
        for text in texts { encodings.append(tokenizer.encode(text, maxLength: maxLen)) }
      }
      var health = TokenHealth()
      encodings.forEach { health.add($0) }
      return try printJSON(
        Summary(
          texts: texts.count, tokens: encodings.reduce(0) { $0 + $1.ids.count }, contentTokens: health.tokens,
          truncatedShare: health.truncatedShare, unknownShare: health.unknownShare, loadSeconds: loading.seconds,
          tokenizeSeconds: seconds.seconds))
    }
    var lines = ""
    for text in texts {
      let encoding = tokenizer.encode(text, maxLength: maxLen)
      lines += "{\"ids\":[\(encoding.ids.map { "\($0)" }.joined(separator: ","))],"
      lines += "\"truncated\":\(encoding.truncated),\"unknowns\":\(encoding.unknowns)}\n"
      if lines.utf8.count > 1 << 20 { try flush(&lines) }
    }
    try flush(&lines)
  }

  private func flush(_ lines: inout String) throws {
    try Terminal.pass(lines)
    lines = ""
  }
}
