/// Decoding: what follows from what, and that what is sampled is what a forward pass finds. Equality with transformers:
/// GenerationTests.
import CPU
import Foundation
import Models
import TestSupport
import Tensors
import Testing

@testable import Training

@Suite struct DecodingTests {
  /// A tiny random decoder beside a tokenizer that has as many tokens.
  private func model(
    _ name: String, threads: Int = 2, _ precision: Precision = .fp32
  ) throws -> LanguageModel {
    try LanguageModel(
      folder: fixtures.appending(path: "generation/\(name)"), on: CPU(threads: threads, precision: precision))
  }

  private let prompts: [[Int32]] = [
    [5, 7, 3, 9, 4], Array(repeating: 6, count: 33), [8], (1...32).map { $0 % 37 + 3 }, [11, 12, 11, 12, 30],
  ]
  private let seeds: [UInt64] = [3, 4, 5, 6, 7]

  private var sampling: Sampling {
    var sampling = Sampling()
    sampling.maxNewTokens = 40
    sampling.temperature = 0.8
    return sampling
  }

  @Test(arguments: ["llama", "qwen2", "qwen3", "gemma3"], [Precision.fp32, .bf16, .int8])
  func `a forward pass over prompt and completion finds the log probabilities of sampling, bit for bit`(
    name: String, precision: Precision
  ) throws {
    let model = try model(name, precision)
    let groups = try model.complete(prompts: prompts, samples: 3, sampling: sampling, seeds: seeds)
    for (prompt, group) in zip(prompts, groups) {
      for completion in group {
        let batch = PackedBatch([prompt + completion.tokens])
        let targets = completion.tokens.enumerated().map { ($1, prompt.count + $0 - 1) }
        let scores = try model.model.scores(
          of: targets, in: batch, temperature: 0.8, on: Tape(on: model.model.parameters.device, records: true))
        #expect(scores.value.array == completion.logProbabilities)
      }
    }
  }

  @Test(arguments: ["qwen3", "gemma3"]) func `completions do not depend on batch-mates, on their number or on threads`(
    name: String
  ) throws {
    let together = try model(name).complete(prompts: prompts, samples: 4, sampling: sampling, seeds: seeds)
    let alone = try model(name, threads: 1)
    for (index, prompt) in prompts.enumerated() {
      let group = try alone.complete(prompts: [prompt], samples: 2, sampling: sampling, seeds: [seeds[index]])[0]
      #expect(group == Array(together[index].prefix(2)))
    }
    #expect(Set(together[0].map(\.tokens)).count > 1, "samples differ")
  }

  @Test func `more samples than run together are all there`() throws {
    var sampling = sampling
    sampling.maxNewTokens = 3
    let group = try model("qwen2").complete(prompts: [[5, 6]], samples: 150, sampling: sampling, seeds: [1])[0]
    #expect(group.count == 150 && group.allSatisfy { (1...3).contains($0.tokens.count) })
    let few = try model("qwen2").complete(prompts: [[5, 6]], samples: 5, sampling: sampling, seeds: [1])[0]
    #expect(few == Array(group.prefix(5)))
  }

  @Test func `a completion ends where the model has no more positions`() throws {
    let model = try model("qwen3")
    var sampling = sampling
    sampling.maxNewTokens = 1000
    let prompt = [Int32](repeating: 4, count: model.maxTokens - 3)
    for completion in try model.complete(prompts: [prompt], samples: 8, sampling: sampling, seeds: [1])[0] {
      #expect(completion.tokens.count <= 3)
      #expect(completion.finishReason == .stop || completion.tokens.count == 3)
    }
  }

  // MARK: - Drawing

  /// Tokens drawn for numbers evenly spread over [0, 1).
  private func draws(_ logits: [Float], count: Int = 1000, seen: Set<Int32> = [], _ sampling: Sampling) -> [Int] {
    (0..<count).map { index in
      var logits = logits
      return logits.withUnsafeMutableBufferPointer {
        sampling.draw($0, seen: seen, (Double(index) + 0.5) / Double(count))
      }
    }
  }

  /// Shares of tokens 0, 1, … among so many.
  private func shares(_ draws: [Int], _ count: Int) -> [Double] {
    (0..<count).map { token in Double(draws.count { $0 == token }) / Double(draws.count) }
  }

  private func logits(_ probabilities: [Double]) -> [Float] { probabilities.map { Float(log($0)) } }

  @Test func `tokens come as often as they are likely`() {
    var sampling = Sampling()
    let given = [0.5, 0.25, 0.125, 0.125]
    for (found, expected) in zip(shares(draws(logits(given), sampling), 4), given) {
      #expect(abs(found - expected) < 0.002)
    }
    sampling.temperature = 0
    #expect(Set(draws(logits(given), sampling)) == [0])
    #expect(Set(draws([1, 3, 3, 2], sampling)) == [1], "of equal ones the first")
  }

  @Test func `a large vocabulary is drawn from as a small one`() {
    // 5,000 tokens, of which two are likely, in different blocks.
    var given = [Double](repeating: 1e-9, count: 5000)
    (given[10], given[4000]) = (0.25, 0.75)
    let found = shares(draws(logits(given), Sampling()), 5000)
    #expect(abs(found[10] - 0.25) < 0.002 && abs(found[4000] - 0.75) < 0.002)
  }

  @Test func `top-k, top-p and min-p leave the likeliest tokens, whose probabilities then are shared anew`() {
    let given = [0.1, 0.4, 0.3, 0.15, 0.05]
    func expect(_ expected: [Double], _ change: (inout Sampling) -> Void) {
      var sampling = Sampling()
      change(&sampling)
      for (found, expected) in zip(shares(draws(logits(given), sampling), 5), expected) {
        #expect(abs(found - expected) < 0.002)
      }
    }
    expect([0, 4.0 / 7, 3.0 / 7, 0, 0]) { $0.topK = 2 }
    expect([0, 4.0 / 7, 3.0 / 7, 0, 0]) { $0.topP = 0.6 }
    expect([0, 1, 0, 0, 0]) { $0.topP = 0.3 }
    expect([0, 4.0 / 8.5, 3.0 / 8.5, 1.5 / 8.5, 0]) { $0.minP = 0.3 }
    // 0.7 of what top-k leaves, 0.85, is 0.595.
    expect([0, 4.0 / 7, 3.0 / 7, 0, 0]) { ($0.topK, $0.topP) = (3, 0.7) }
    // Of the two that top-p leaves, min-p leaves one.
    expect([0, 1, 0, 0, 0]) { ($0.topK, $0.topP, $0.minP) = (3, 0.7, 0.8) }
    expect([0.1, 0.4, 0.3, 0.15, 0.05]) { $0.topK = 5 }
  }

  @Test func `the penalty makes tokens that are there less likely, whatever their logits' signs`() {
    var sampling = Sampling()
    sampling.repetitionPenalty = 2
    let found = shares(draws([1, 1, -1, -1], seen: [0, 2], sampling), 4)
    let weights = [exp(0.5), exp(1), exp(-2), exp(-1)]
    for (found, weight) in zip(found, weights) { #expect(abs(found - weight / weights.reduce(0, +)) < 0.002) }
  }

  // MARK: - transformers

  private struct Golden: Decodable {
    let prompts, tokens, penalised: [[Int32]]
    let logits: [Float]
  }

  private func golden(_ name: String) throws -> Golden {
    let file = fixtures.appending(path: "generation/\(name)/golden.json")
    return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }

  @Test(arguments: ["llama", "qwen2", "qwen3", "gemma3"]) func `greedy decoding says what transformers says`(
    name: String
  ) throws {
    let (model, golden) = (try model(name), try golden(name))
    var sampling = Sampling()
    (sampling.temperature, sampling.maxNewTokens) = (0, 64)
    func said(_ prompts: [[Int32]]) throws -> [[Int32]] {
      try model.complete(prompts: prompts, samples: 1, sampling: sampling, seeds: prompts.map { _ in 0 }).map {
        $0[0].tokens
      }
    }
    #expect(try said(golden.prompts) == golden.tokens)
    sampling.repetitionPenalty = 1.3
    #expect(try said(Array(golden.prompts.prefix(5))) == golden.penalised)
  }

  @Test(arguments: ["llama", "qwen2", "qwen3", "gemma3"])
  func `logits behind a beginning are those of transformers`(name: String) throws {
    let (model, golden) = (try model(name), try golden(name))
    let ids = golden.prompts[1] + golden.tokens[1].prefix(9)
    var keys = [try model.model.beginning(Array(ids.dropLast()))]
    let logits = try model.model.next(
      PackedBatch([Array(ids.suffix(1))], past: [ids.count - 1]), behind: &keys)
    let found = logits.blocks.flatMap { $0.values.array }
    let most = golden.logits.map(abs).max() ?? 0
    #expect(found.count == golden.logits.count)
    for (found, expected) in zip(found, golden.logits) { #expect(abs(found - expected) < 1e-5 * most) }
    #expect(keys[0].tokens == ids.count)
  }

  // MARK: - Where completions end

  @Test func `a stop text ends a completion though its tokens are others'`() throws {
    let model = try model("llama")
    var sampling = sampling
    sampling.temperature = 2
    let prompt = prompts[0]
    let decoder = try model.tokenizer.decoder()
    let whole = try model.complete(prompts: [prompt], samples: 1, sampling: sampling, seeds: [0])[0][0]
    // Two tokens' text, which does not stand earlier.
    let place = try #require(
      (2..<whole.tokens.count - 2).first { place in
        let text = decoder.decode(Array(whole.tokens[place..<place + 2]))
        return text.unicodeScalars.allSatisfy(\.isASCII) && text.count == 2
          && !decoder.decode(Array(whole.tokens.prefix(place + 1))).contains(text)
      })
    sampling.stop = ["never said", decoder.decode(Array(whole.tokens[place..<place + 2]))]
    let cut = try model.complete(prompts: [prompt], samples: 1, sampling: sampling, seeds: [0])[0][0]
    #expect(cut.tokens == Array(whole.tokens.prefix(place + 2)) && cut.finishReason == .stop)
    sampling.stop = []
    sampling.stopTokens = [whole.tokens[place]]
    let first = try #require(whole.tokens.firstIndex(of: whole.tokens[place]))
    let stopped = try model.complete(prompts: [prompt], samples: 1, sampling: sampling, seeds: [0])[0][0]
    #expect(stopped.tokens == Array(whole.tokens.prefix(first + 1)) && stopped.finishReason == .stop)
  }

  @Test func `a chat's turns end with the template's token, a model's with those of its configuration`() throws {
    let model = try model("gemma3")
    #expect(model.endTokens == [1])
    #expect(try ChatPrompt(folder: model.folder).endTokens(model) == [1])
  }

  @Test func `Korean text streams by whole characters, though each takes three tokens`() throws {
    let model = try model("llama")
    let text = "한글, 가나다 and ✓"
    let ids = model.continuation(text)
    #expect(ids.count == text.utf8.count)
    var stream = TextStream(try model.tokenizer.decoder())
    let parts = ids.map { stream.add($0) }
    #expect(parts.joined() + stream.end() == text)
    #expect(parts.prefix(6) == ["", "", "한", "", "", "글"])
    // A character whose end never comes.
    var cut = TextStream(try model.tokenizer.decoder())
    #expect(ids.prefix(2).map { cut.add($0) } == ["", ""] && !cut.end().isEmpty)
  }
}

extension Unicode.Scalar {
  fileprivate var isASCII: Bool { value > 32 && value < 127 }
}
