/// `retort tokenize MODEL FILE`: what a model's tokenizer makes of texts.
import ArgumentParser
import Foundation
import Models
import Tokenizers

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the token ids that a model's tokenizer gives texts, one JSON object a line.")

  @Argument(help: "The model's folder.", completion: .directory) var model: String
  @Argument(help: "JSON lines with `text`, or plain lines where the name ends in .txt.") var file: String
  @Option(help: "Cut to so many tokens, special ones included.") var maxLen: Int?

  private struct Line: Codable { var text: String }
  private struct Tokens: Encodable {
    var ids: [Int32]
    var unknowns: Int
    var truncated: Bool
  }

  func run() throws {
    let url = URL(filePath: file)
    let tokenizer = try Tokenizer(folder: try CheckpointFolder(URL(filePath: model)).transformer)
    for (number, line) in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")).enumerated() {
      let encoding = tokenizer.encode(try text(of: line, number: number + 1), maxLength: maxLen)
      try printJSON(
        Tokens(ids: encoding.ids, unknowns: encoding.unknowns, truncated: encoding.truncated), pretty: false)
    }
  }

  private func text(of line: Data, number: Int) throws -> String {
    if file.hasSuffix(".txt") {
      guard let text = String(validating: line, as: UTF8.self) else {
        throw Failure("\(file):\(number): these bytes are not UTF-8")
      }
      return text
    }
    do {
      return try JSONDecoder().decode(Line.self, from: line).text
    } catch {
      throw Failure("\(file):\(number): expected a JSON object with a string `text`")
    }
  }
}
