/// What sentence-transformers keeps of a language model that judges pairs: which tokens' logits are the score.
import Foundation
import JSONText
import Tensors

/// The logit of one token after the whole pair, or that less the logit of another: `yes` less `no`, say.
struct TokenScore: Sendable, Hashable {
  let yes: Int
  let no: Int?

  /// Reads `N_LogitScore/config.json`. Throws a `CheckpointError` on what is no token of the vocabulary.
  init(_ folder: URL, in root: URL, vocabulary: Int) throws {
    let file = try Configuration(contentsOf: folder.appending(path: "config.json"), in: root)
    for (key, id) in [
      ("true_token_id", try file.int("true_token_id")), ("false_token_id", try file.int(ifPresent: "false_token_id")),
    ] {
      if let id, !(0..<vocabulary).contains(id) {
        throw CheckpointError(
          file.file, "key \"\(key)\"", found: "\(id)", expected: "a token from 0 to \(vocabulary - 1)")
      }
    }
    let input = try file.string(ifPresent: "module_input_name") ?? "causal_logits"
    guard input == "causal_logits" else {
      throw CheckpointError(
        file.file, "key \"module_input_name\"", found: "\"\(input)\"", expected: "\"causal_logits\"")
    }
    (yes, no) = (try file.int("true_token_id"), try file.int(ifPresent: "false_token_id"))
  }
}

extension Checkpoint {
  /// A row of the matrix `name`, or what it has more than another row, in fp32: [1, columns].
  func row(_ row: Int, less other: Int?, of name: String, on device: any Device) throws -> Tensor {
    let all = try stored(name, on: device)
    func numbers(_ row: Int) -> [Float] {
      let size = all.shape[1] * all.dtype.bytes
      let start = all.bytes.startIndex + row * size
      return device.tensor(
        StoredTensor([1, all.shape[1]], all.dtype, bytes: all.bytes[start..<start + size]), as: .f32
      ).array
    }
    let (first, second) = (numbers(row), other.map(numbers))
    return device.tensor(second.map { zip(first, $0).map { $0 - $1 } } ?? first, [1, first.count])
  }
}
