/// What can be wrong between a model and what it is given.

package enum ModelError: Error, CustomStringConvertible, Equatable {
  case tooLong(sequence: Int, tokens: Int, limit: Int)
  case unknownToken(sequence: Int, id: Int32, rows: Int)
  case unknownSegment(sequence: Int, id: Int32, rows: Int)
  case shapeMismatch(weight: String, found: [Int], expected: [Int])
  case noSuchTarget(String, linears: [String])
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
    case .unsupported(let key, let found, let expected):
      "config.json: \(key) is \(found), supported: \(expected)"
    }
  }
}
