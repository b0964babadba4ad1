/// Asks a language model for every query with every passage, passage by passage, so that what they begin with is
/// computed once.
import Artifacts
import Foundation
import Pipelines
import Training

struct PerplexityScorer {
  private let model: LanguageModel
  private let form: PromptForm
  /// What the prompt is a turn of, and what the system says before it.
  private let chat: (prompt: ChatPrompt, system: String?)?
  private let lists: [AskedQuery]
  /// Passages that were cut.
  private(set) var cut = 0
  var tokens: (computed: Int, whole: Int) { model.tokens }

  init(
    model: LanguageModel, form: PromptForm, chat: (prompt: ChatPrompt, system: String?)?, questions: PerplexityQuestions
  ) {
    (self.model, self.form, self.chat, lists) = (model, form, chat, questions.lists)
  }

  /// Everything that is asked.
  var records: Set<Digest> {
    Set(lists.flatMap { list in [list.record(nil)] + list.candidates.candidates.map { list.record($0.passage.text) } })
  }

  /// One query, alone or with one of its candidates.
  private struct Pair {
    let list: Int
    /// Absent: alone.
    let candidate: Int?
  }

  /// Perplexities of each query, without a passage and with each candidate.
  mutating func perplexities(
    known: [Digest: Float], pairsAtOnce: Int, progress: (_ done: Int, _ all: Int) -> Void
  ) throws -> [(baseline: Float, candidates: [Float])] {
    var result = lists.map { ($0.candidates.candidates.map { _ in Float.nan }) }
    var baselines = lists.map { _ in Float.nan }
    func put(_ perplexity: Float, _ pair: Pair) {
      if let candidate = pair.candidate {
        result[pair.list][candidate] = perplexity
      } else {
        baselines[pair.list] = perplexity
      }
    }
    let groups = self.groups()
    let all = groups.reduce(0) { $0 + $1.count }
    var (done, held): (Int, [[Pair]]) = (0, [])
    func scoreHeld() throws {
      let texts = try held.map { group in try group.map { try text($0) } }
      let scores = try model.score(texts) { progress(done + $0, all) }
      for (pairs, (texts, scores)) in zip(held, zip(texts, scores)) {
        for (pair, (text, score)) in zip(pairs, zip(texts, scores)) {
          put(Float(exp(-score / Double(text.continuationTokens))), pair)
        }
      }
      done += held.reduce(0) { $0 + $1.count }
      held = []
    }
    for group in groups {
      let missing = group.filter { pair in
        guard let perplexity = known[record(pair)] else { return true }
        put(perplexity, pair)
        done += 1
        return false
      }
      held.append(missing)
      if held.reduce(0, { $0 + $1.count }) >= pairsAtOnce { try scoreHeld() }
    }
    try scoreHeld()
    return zip(baselines, result).map { ($0, $1) }
  }

  /// The queries alone, then those of each passage, in the order in which passages first occur.
  private func groups() -> [[Pair]] {
    var place: [String: Int] = [:]
    var groups: [[Pair]] = [lists.indices.map { Pair(list: $0, candidate: nil) }]
    for (index, list) in lists.enumerated() {
      for (candidate, passage) in list.candidates.candidates.map(\.passage).enumerated() {
        let group = place[passage.text] ?? groups.count
        if group == groups.count {
          place[passage.text] = group
          groups.append([])
        }
        groups[group].append(Pair(list: index, candidate: candidate))
      }
    }
    return groups
  }

  private func record(_ pair: Pair) -> Digest {
    lists[pair.list].record(pair.candidate.map { lists[pair.list].candidates.candidates[$0].passage.text })
  }

  /// A pair's tokens; the end of its passage is cut where they are too many.
  private mutating func text(_ pair: Pair) throws -> PromptedText {
    let list = lists[pair.list]
    let passage = pair.candidate.map { list.candidates.candidates[$0].passage }
    let name = "query `\(list.candidates.id)`" + (passage.map { " with passage `\($0.id)`" } ?? "")
    let target = model.continuation(list.target)
    guard !target.isEmpty else { throw StageInputError("\(name): what is scored has no token") }
    func text(_ passage: String?) throws -> PromptedText {
      let prompt = try form.text(query: list.candidates.query, type: list.candidates.type, passage: passage)
      guard let chat else { return PromptedText(prompt: model.prompt(prompt), continuation: target) }
      let turns =
        (chat.system.map { [ChatTurn(role: "system", content: $0)] } ?? []) + [ChatTurn(role: "user", content: prompt)]
      return PromptedText(prompt: model.continuation(try chat.prompt.text(turns)), continuation: target)
    }
    let whole = try text(passage?.text)
    guard whole.promptTokens > 0 else {
      throw StageInputError(
        "\(name): the prompt has no token; give `baseline_prompt` a text for this model to go on from")
    }
    if whole.ids.count <= model.maxTokens { return whole }
    let scalars = passage.map { Array($0.text.unicodeScalars) } ?? []
    func shortened(_ count: Int) throws -> PromptedText {
      try text(passage == nil ? nil : String(String.UnicodeScalarView(scalars.prefix(count))))
    }
    var (fits, tooMany) = (0, scalars.count)
    guard passage != nil, try shortened(0).ids.count <= model.maxTokens else {
      throw StageInputError(
        "\(name): \(whole.ids.count) tokens, \(target.count) of them what is scored, do not fit into \(model.maxTokens)"
          + (passage == nil ? "" : " even without the passage"))
    }
    while tooMany - fits > 1 {
      let middle = (fits + tooMany) / 2
      if try shortened(middle).ids.count <= model.maxTokens { fits = middle } else { tooMany = middle }
    }
    cut += 1
    return try shortened(fits)
  }
}

extension AskedQuery {
  fileprivate func record(_ passage: String?) -> Digest {
    let (query, type) = (candidates.query, candidates.type ?? "")
    return passage.map { recordDigest(query, type, target, $0) } ?? recordDigest(query, type, target)
  }
}
