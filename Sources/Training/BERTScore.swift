/// BERTScore (Zhang et al. 2020), as bert_score 0.3 computes it without idf and without rescaling: every token is held
/// against the most similar one of the other text; F1 of the means.
import Foundation
import Models
import Tensors
import Tokenizers

package final class BERTScore {
  private let states: TokenStates
  private let tokenizer: Tokenizer
  /// What the user should hear of the folder.
  package let notices: [String]
  private let maxTokens: Int
  private static let tokensPerBatch = 4096

  /// - Parameter layer: whose states are compared, from 1.
  /// - Throws: `CheckpointError`, `TokenizerError`.
  package init(folder url: URL, base: URL? = nil, layer: Int, on device: any Device) throws {
    let folder = try CheckpointFolder(url, base: base)
    tokenizer = try Tokenizer(folder: folder.transformer)
    states = try folder.tokenStates(after: layer, on: device)
    maxTokens = min(tokenizer.modelMaxLength ?? .max, states.maxTokens)
    notices = folder.notices + tokenizer.notices
  }

  /// F1 of each pair, in −1…1; 0 where a text has no token. Special tokens are there to be found, but look for none.
  package func callAsFunction(_ pairs: [(answer: String, reference: String)]) throws -> [Double] {
    var places: [[UInt8]: Int] = [:]  // by a text's bytes
    var texts: [String] = []
    for text in pairs.flatMap({ [$0.answer, $0.reference] }) where places[Array(text.utf8)] == nil {
      places[Array(text.utf8)] = texts.count
      texts.append(text)
    }
    let rows = try states(of: texts)
    return pairs.map { pair in
      guard let answer = places[Array(pair.answer.utf8)], let reference = places[Array(pair.reference.utf8)] else {
        return 0
      }
      return Self.f1(rows[answer], rows[reference])
    }
  }

  /// A text's states, scaled to length 1.
  private struct TokenRows {
    var values: [Float] = []  // [tokens, width]
    let width: Int
    /// Of each token, whether it is the text's own.
    let isOwn: [Bool]
  }

  private static func f1(_ answer: TokenRows, _ reference: TokenRows) -> Double {
    guard answer.isOwn.contains(true), reference.isOwn.contains(true) else { return 0 }
    var (best, found) = (
      Array(repeating: -Float.infinity, count: answer.isOwn.count),
      Array(repeating: -Float.infinity, count: reference.isOwn.count)
    )
    answer.values.withUnsafeBufferPointer { left in
      reference.values.withUnsafeBufferPointer { right in
        for row in best.indices {
          for other in found.indices {
            var product: Float = 0
            for place in 0..<answer.width {
              product += left[row * answer.width + place] * right[other * answer.width + place]
            }
            best[row] = max(best[row], product)
            found[other] = max(found[other], product)
          }
        }
      }
    }
    func mean(_ values: [Float], _ isOwn: [Bool]) -> Double {
      let own = zip(values, isOwn).filter(\.1).map { Double($0.0) }
      return own.reduce(0, +) / Double(own.count)
    }
    let (precision, recall) = (mean(best, answer.isOwn), mean(found, reference.isOwn))
    let f1 = 2 * precision * recall / (precision + recall)
    return f1.isFinite ? f1 : 0
  }

  private func states(of texts: [String]) throws -> [TokenRows] {
    let inputs = texts.map { text -> Encoding in
      var input = tokenizer.encode(text.trimmingCharacters(in: .whitespacesAndNewlines), maxLength: maxTokens)
      input.typeIDs = input.typeIDs.map { _ in 0 }
      return input
    }
    var rows: [TokenRows] = []
    var first = 0
    while first < inputs.count {
      var (end, tokens) = (first, 0)
      repeat {
        tokens += inputs[end].ids.count
        end += 1
      } while end < inputs.count && tokens + inputs[end].ids.count <= Self.tokensPerBatch
      rows += try run(Array(inputs[first..<end]))
      first = end
    }
    return rows
  }

  private func run(_ inputs: [Encoding]) throws -> [TokenRows] {
    let batch = PackedBatch(inputs, chunkSize: sequencesPerChunk)
    let output = try states(batch)
    guard output.isFinite else { throw NotFiniteOutput(culprit: nil) }
    output.normalizeRows()
    let (values, width) = (output.array, output.columns)
    let front = tokenizer.encodeBeginning("").count
    return inputs.enumerated().map { index, input in
      TokenRows(
        values: Array(values[batch.offsets[index] * width..<batch.offsets[index + 1] * width]), width: width,
        isOwn: input.ids.indices.map { $0 >= front && $0 < front + input.contentTokens })
    }
  }
}
