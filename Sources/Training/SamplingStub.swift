/// PLAIN SAMPLER UNTIL THE FAST ONE IS THERE: every token a whole forward pass.
import Foundation
import Models
import Tensors

package struct Sampling: Sendable {
  package var maxNewTokens = 256
  package var temperature = 1.0
  package var topP = 1.0
  package var topK = 0
  package var minP = 0.0
  package var repetitionPenalty = 1.0
  package var stop: [String] = []
  package var stopTokens: Set<Int32> = []
  package init() {}
}

package struct Completion: Sendable {
  package enum FinishReason: String, Sendable { case stop, length }
  package var tokens: [Int32]
  package var logProbabilities: [Float]
  package var finishReason: FinishReason
}

extension LanguageModel {
  package func complete(
    prompts: [[Int32]], samples: Int, sampling: Sampling, seeds: [UInt64]
  ) throws -> [[Completion]] {
    try zip(prompts, seeds).map { prompt, seed in
      try (0..<samples).map { sample in
        var (tokens, logs): ([Int32], [Float]) = ([], [])
        var reason = Completion.FinishReason.length
        while tokens.count < sampling.maxNewTokens {
          let batch = PackedBatch([prompt + tokens])
          let last = batch.tokens - 1
          let count = tokenizer.vocabularySize
          let temperature = sampling.temperature == 0 ? 1 : Float(sampling.temperature)
          var best: (token: Int32, score: Double, log: Float) = (0, -.infinity, 0)
          let all = try model.scores(
            of: (0..<Int32(count)).map { ($0, last) }, in: batch, temperature: temperature, on: Tape(on: model.parameters.device)
          ).value.array
          for (token, log) in all.enumerated() {
            let words = Philox.words(counter: (UInt32(tokens.count), UInt32(sample), UInt32(token), 77), key: seed)
            let noise = sampling.temperature == 0 ? 0 : -Foundation.log(-Foundation.log((Double(words[0]) + 0.5) / 4294967296))
            if Double(log) + noise > best.score { best = (Int32(token), Double(log) + noise, log) }
          }
          tokens.append(best.token)
          logs.append(best.log)
          if best.token == sampling.stopTokens.first { reason = .stop; break }
        }
        return Completion(tokens: tokens, logProbabilities: logs, finishReason: reason)
      }
    }
  }
}
