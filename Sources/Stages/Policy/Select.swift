/// `select`: a language model learns to name the passage that answers a query, and names one for each.
import Foundation
import JSONText
import Pipelines
import Training

struct Select: Stage {
  static let kind = StageKind("select", revision: 1)
  static let abstract =
    "Trains a language model by rewards to name, of a query's candidates, the one that answers it, and lets it choose."
  static let numeric = true
  static let trains = true
  static let metrics =
    PolicyParameters.metrics + [
      MetricDescription(
        "accuracy@1", "Share of queries whose chosen passage is a positive.", .higher, heading: "top-1",
        isHeadline: true),
      MetricDescription("first_accuracy", "The same of the first candidates, as they came.", .higher),
      MetricDescription("reachable", "Share of queries with a positive among the candidates.", .higher),
    ]

  @Input("Language model to start from: a decoder's folder, or an adapter of PEFT.", as: .policy, base: "encoder")
  var base: ModelFolder
  @Input("Candidates with their labels: of `mine`, or scores as those of `perplexity`.", .learnsFrom) var train:
    ScoredFile
  @Input("The same, for choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: ScoredFile?
  @Input("What the trained model chooses from; absent: `train`.", .evaluatedOn) var candidates: ScoredFile?
  @Shared var training: TrainingParameters
  @Shared var policy: PolicyParameters
  @Parameter("What is asked, with `{query}`, `{type}` and `{passages}`, which are lettered in an order by lot.")
  var prompt = "{query}\n\n{passages}\n\nThe letter of the passage that decides this:"
  @Parameter("Whether prompts are chats, in the form of the model's own template.") var chat = true
  @Parameter("What the system's turn says; absent: there is none.") var system: String?
  @Parameter("Candidates of a query that are listed, the best-scored first; the others are out.", in: 2...26) var topK =
    5
  @Parameter("What logits are divided by.", in: 0.01...100) var temperature = 1.0
  @Parameter("What it counts that the answer is a letter and no more; to be right counts 1.", in: 0...1)
  var formWeight = 0.1
  @Seed var seed
  @Output("The language model's folder, merged; the adapter is in `adapter/`.") var model: ModelFolder
  @Output("Each query with the chosen passage as its positive, the others as negatives.", file: "chosen.jsonl")
  var chosen: GroupFile
  @Output("Candidates with ln p of their letters as logits, and their shares as scores.", file: "scores.jsonl")
  var scores: ScoreFile
  @Output("Every completion that was learnt from, with each reward.", file: "completions.jsonl")
  var completions: RecordFile

  func problems() -> [String] {
    training.problems(hasValidation: validation != nil, [:]) + prompting.problems(hasExamples: false)
      + policy.problems(training, temperature: temperature)
  }

  func obstacleToExtending() -> String? { PolicyParameters.obstacleToExtending }

  private var prompting: PromptingParameters {
    PromptingParameters(giving: ["prompt": .string(prompt), "chat": .bool(chat), "system": system.parameterValue])
  }

  private var sampling: SamplingParameters {
    SamplingParameters(giving: ["max_new_tokens": .int(4), "temperature": .double(temperature)])
  }

  func run(_ context: StageContext) async throws {
    let rewards = try Rewards(choosingWithForm: formWeight)
    let policy = try PolicyTraining(base, policy, training, sampling, seed: seed, context, for: "select")
    let prompter = try Prompter(prompting, policy.model, examples: nil, context, for: "select")
    let (all, held) = (try lists(train), try validation.map { try lists($0) })
    func asked(_ lists: [LetteredList], _ file: URL) throws -> [AskedRecord]? {
      let reachable = lists.filter { !$0.right.isEmpty }
      guard !reachable.isEmpty else { throw DataError(file, "no query has a positive among its candidates") }
      return try policy.asked(reachable.map(\.record), of: file, rewards, prompter)
    }
    let trained = training.sample(try asked(all, train.url) ?? [], "select", seed: seed, context)
    let validated = try held.flatMap { held in try validation.flatMap { try asked(held, $0.url) } }
    try policy.run(
      on: trained, held: validated, rewards, outcome: 0, ends: prompter.endTokens(),
      completions: completions.url)
    try policy.write(to: model.url)
    try choose(candidates.map { try lists($0) } ?? all, policy.model, prompter, context)
  }

  /// Lists of letters in an order of each query's own.
  private func lists(_ file: ScoredFile) throws -> [LetteredList] {
    let draws = SeededDraws(seed: seed)
    return try file.read().enumerated().map { index, list in
      let best = Array(list.candidates.prefix(topK))
      return LetteredList(
        list, best, order: draws.negatives(best.count, of: best.count, query: index),
        place: RecordPlace(file: file.url, line: index + 1, number: index + 1))
    }
  }

  /// By ln p of each letter: what the model would say if it could say nothing else.
  private func choose(
    _ lists: [LetteredList], _ model: LanguageModel, _ prompter: Prompter, _ context: StageContext
  ) throws {
    let texts = try lists.map { list in
      let ids = try prompter.asked(list.record).ids
      return list.letters.map { PromptedText(prompt: ids, continuation: model.continuation($0)) }
    }
    for (list, texts) in zip(lists, texts) where texts.contains(where: { $0.ids.count > model.maxTokens }) {
      throw list.record.place.error(
        "the prompt of query `\(list.record.id)` has more than \(model.maxTokens) tokens: raise `max_len`")
    }
    let logs = try model.score(texts) {
      context.progress($0, of: texts.reduce(0) { $0 + $1.count }, detail: "letters scored")
    }
    let scored = zip(lists, logs).map { $0.scored($1) }
    try ScoredList.write(scored, to: scores.url)
    let groups = scored.map { list -> QueryGroup in
      let passages = list.candidates.map(\.candidate.passage)
      return QueryGroup(
        id: list.id, query: list.query, positives: [passages[0]], negatives: Array(passages.dropFirst()),
        type: list.type)
    }
    try QueryGroup.write(groups, to: chosen.url)
    func share(_ isRight: (Int) -> Bool) -> Double { Double(lists.indices.count(where: isRight)) / Double(lists.count) }
    let right = share { scored[$0].candidates[0].candidate.isPositive }
    let (first, reachable) = (share { lists[$0].isFirstRight }, share { !lists[$0].right.isEmpty })
    context.metric("accuracy@1", right)
    context.metric("first_accuracy", first)
    context.metric("reachable", reachable)
    context.log(
      "[select] Queries: \(lists.count) | Right: \(decimal(right)) | The first candidate: \(decimal(first)) | Reachable: \(decimal(reachable))"
    )
  }
}

/// A query whose candidates have letters.
private struct LetteredList {
  let record: AnswerRecord
  /// Each candidate's letter, in the order in which they are listed.
  let letters: [String]
  /// The candidates, in that order, too.
  private let candidates: [Candidate]
  let right: [String]
  let isFirstRight: Bool

  init(_ list: CandidateList, _ best: [Candidate], order: [Int], place: RecordPlace) {
    candidates = order.map { best[$0] }
    letters = candidates.indices.map { String(UnicodeScalar(UInt8(65 + $0))) }
    right = zip(letters, candidates).filter { $0.1.isPositive }.map { $0.0 }
    isFirstRight = best.first?.isPositive ?? false
    let passages = zip(letters, candidates).map { "\($0). \($1.passage.text)" }.joined(separator: "\n")
    record = AnswerRecord(
      id: list.id, query: list.query, type: list.type, answer: right.joined(separator: "#"),
      fields: ["passages": .string(passages)], place: place)
  }

  /// The best first.
  func scored(_ logs: [Double]) -> ScoredList {
    let sum = logSumExp(logs)
    let order = logs.indices.sorted { (-logs[$0], $0) < (-logs[$1], $1) }
    return ScoredList(
      id: record.id, query: record.query,
      candidates: order.map {
        ScoredCandidate(candidate: candidates[$0], logit: Float(logs[$0]), score: Float(exp(logs[$0] - sum)))
      }, type: record.type)
  }
}

/// Candidates, or scored ones, the best first.
struct ScoredFile: Artifact {
  static let type = ArtifactType.scores
  static let accepts: [ArtifactType] = [.scores, .candidates]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  /// In the order of their logits, if they have some; else as they came. Throws a `DataError`.
  func read() throws -> [CandidateList] {
    guard try bound.type ?? ArtifactType(lookingAt: url) == .scores else { return try CandidateList.read(url) }
    return try ScoredList.read(url).map { list in
      let logits = list.candidates.map(\.logit)
      let order = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }
      return CandidateList(
        id: list.id, query: list.query, candidates: order.map { list.candidates[$0].candidate }, type: list.type)
    }
  }
}
