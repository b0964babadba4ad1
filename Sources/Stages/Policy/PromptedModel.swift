/// A language model that answers records, is rewarded for it, and writes down what it said.
import Artifacts
import Foundation
import JSONText
import Pipelines
import Tensors
import Tokenizers
import Training

final class PromptedModel: PolicyEnvironment {
  private let model: LanguageModel
  private let decoder: TokenDecoder
  private let asked: [AskedRecord]
  private let rewards: Rewards
  private let sampling: Sampling
  private let seed: UInt64
  private let log: URL
  private let file: FileHandle

  /// - Parameter log: what completions are written to, as they come.
  init(
    _ model: LanguageModel, _ asked: [AskedRecord], _ rewards: Rewards, _ sampling: Sampling, seed: UInt64, log: URL
  ) throws {
    (self.model, self.asked, self.rewards, self.sampling) = (model, asked, rewards, sampling)
    (self.seed, self.log) = (seed, log)
    decoder = try model.tokenizer.decoder()
    if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
    file = try FileHandle(forUpdating: log)
    try file.seekToEnd()
  }

  func sample(_ prompts: [Int], samples: Int, epoch: Int, round: Int) throws -> [[SampledText]] {
    try model.sampled(
      prompts.map { asked[$0].ids }, samples: samples, sampling,
      seeds: prompts.map { SeededDraws(seed: seed).completion(epoch: epoch, prompt: $0, round: round) })
  }

  func rewards(_ samples: [(prompt: Int, texts: [SampledText])]) throws -> [[[Double]]] {
    let answers = samples.flatMap { prompt, texts in
      texts.map { GivenAnswer(text: text(of: $0), record: asked[prompt].record) }
    }
    var values = try rewards.values(answers)[...]
    return samples.map { _, texts in
      defer { values = values.dropFirst(texts.count) }
      return Array(values.prefix(texts.count))
    }
  }

  private func text(of sample: SampledText) -> String { decoder.decode(sample.tokens) }

  func record(epoch: Int, _ samples: [(prompt: Int, texts: [SampledText])], rewards values: [[[Double]]]) throws {
    var lines = Data()
    for ((prompt, texts), values) in zip(samples, values) {
      for (number, (text, values)) in zip(texts, values).enumerated() {
        let line: JSONValue = [
          "id": .string(asked[prompt].record.id), "epoch": .int(epoch + 1), "sample": .int(number + 1),
          "completion": .string(self.text(of: text)), "reward": .double(rewards.sum(values)),
          "rewards": .object(zip(rewards.names, values).map { JSONMember($0, .double($1)) }),
          "tokens": .int(text.tokens.count),
          "logprob": .double(text.logProbabilities.reduce(0) { $0 + Double($1) }),
          "finish_reason": .string(text.isTruncated ? "length" : "stop"),
        ]
        lines.append(contentsOf: line.text().utf8)
        lines.append(0x0A)
      }
    }
    try file.write(contentsOf: lines)
  }

  var recorded: Int {
    get throws {
      // A state that is saved must not know of more than the disk does.
      try file.synchronize()
      return Int(try file.offset())
    }
  }

  func forget(after recorded: Int) throws {
    guard try file.seekToEnd() >= UInt64(recorded) else {
      throw StageInputError(
        "\(log.path): the completions of the steps that are done are no longer there; `retort run FILE --force STAGE` starts anew"
      )
    }
    try file.truncate(atOffset: UInt64(recorded))
  }

  /// Hands on what was written.
  func finish(at url: URL) throws {
    try file.close()
    if url != log { try FileManager.default.moveItem(at: log, to: url) }
  }
}

extension LanguageModel {
  /// Completions as what a policy is trained on.
  func sampled(
    _ prompts: [[Int32]], samples: Int, _ sampling: Sampling, seeds: [UInt64]
  ) throws -> [[SampledText]] {
    try complete(prompts: prompts, samples: samples, sampling: sampling, seeds: seeds).map { group in
      group.map {
        SampledText(
          tokens: $0.tokens, logProbabilities: $0.logProbabilities, isTruncated: $0.finishReason == .length)
      }
    }
  }
}

/// What the model answers to validation's records without drawing lots.
struct PolicyValidation {
  private let model: LanguageModel
  private let asked: [AskedRecord]
  private let rewards: Rewards
  private let sampling: Sampling
  private let outcome: Int?
  private let judgedBy: PolicyParameters.BestMetric

  init(
    _ model: LanguageModel, _ asked: [AskedRecord], _ rewards: Rewards, _ sampling: Sampling, outcome: Int?,
    judgedBy metric: PolicyParameters.BestMetric
  ) {
    (self.model, self.asked, self.rewards, self.sampling) = (model, asked, rewards, sampling)
    (self.outcome, self.judgedBy) = (outcome, metric)
  }

  /// `reward`, the mean sum, `outcome`, and each reward's mean; of each record the one that it is judged by.
  func run() throws -> Validation {
    let decoder = try model.tokenizer.decoder()
    let texts = try model.sampled(
      asked.map(\.ids), samples: 1, sampling, seeds: asked.map { _ in 0 })
    let values = try rewards.values(
      zip(asked, texts).map { GivenAnswer(text: decoder.decode($1[0].tokens), record: $0.record) })
    let sums = values.map(rewards.sum)
    let outcomes = outcome.map { place in values.map { $0[place] } }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    return Validation(
      [ValidationMetric("reward", mean(sums))] + (outcomes.map { [ValidationMetric("outcome", mean($0))] } ?? [])
        + rewards.names.enumerated().map { index, name in
          ValidationMetric("\(name).reward", mean(values.map { $0[index] }))
        }, queries: judgedBy == .outcome ? outcomes ?? sums : sums)
  }
}
