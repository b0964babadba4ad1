/// What can be wrong between a model and what it is given.
import Foundation

package enum ModelError: Error, CustomStringConvertible, Equatable {
  case tooLong(sequence: Int, tokens: Int, limit: Int)
  case unknownToken(sequence: Int, id: Int32, rows: Int)
  case unknownSegment(sequence: Int, id: Int32, rows: Int)
  case shapeMismatch(weight: String, found: [Int], expected: [Int])
  case noSuchTarget(String, linears: [String])
  /// Weights of 4 bytes; bytes of memory.
  case tooLarge(weights: Double, memory: Int)
  /// A layer whose matrix is in codes.
  case codesDoNotTrain(String)
  case unsupported(key: String, found: String, expected: String)

  package var description: String {
    switch self {
    case .tooLong(let sequence, let tokens, let limit):
      "sequence \(sequence) has \(tokens) tokens, the model takes at most \(limit): lower max_len"
    case .unknownToken(let sequence, let id, let rows):
      "sequence \(sequence) has token id \(id), the model knows 0..<\(rows): is the tokenizer another model's?"
    case .unknownSegment(let sequence, let id, let rows):
      "sequence \(sequence) has segment id \(id), the model knows 0..<\(rows)"
    case .shapeMismatch(let weight, let found, let expected):
      "weight \(weight) has shape \(found), config.json asks for \(expected)"
    case .noSuchTarget(let target, let linears):
      "lora.target_modules: \"\(target)\" matches no linear layer; there are \(linears.joined(separator: ", "))"
    case .tooLarge(let weights, let memory):
      "a model of these sizes has \(Self.text(weights)) weights, which take \(Self.text(4 * weights))B; there are "
        + "\(Self.text(Double(memory)))B of memory: lower vocab_size, hidden_size, num_hidden_layers or intermediate_size"
    case .codesDoNotTrain(let layer):
      "the model's matrices are in codes, that of \(layer) among them; they stay as they are: train adapters, with "
        + "`lora`, or take the model that was quantized"
    case .unsupported(let key, let found, let expected):
      "config.json: \(key) is \(found), supported: \(expected)"
    }
  }

  /// `1.6 T`: three digits and a unit.
  private static func text(_ number: Double) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"]
    var (value, unit) = (number, 0)
    while value >= 999.5, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
    return "\(String(format: value < 9.95 ? "%.1f" : "%.0f", value)) \(units[unit])"
  }
}
