/// `perplexity`: how much each passage helps a language model to say a query's answer.
import Artifacts
import Foundation
import JSONText
import Pipelines
import Tensors
import Training

struct Perplexity: Stage {
  static let kind = StageKind("perplexity", revision: 1)
  static let abstract =
    "Scores passages by a language model's perplexity of each query's answer, or of the query, with and without them."
  static let numeric = true
  static let metrics = [
    MetricDescription("queries", "Queries that were asked.", nil),
    MetricDescription("pairs", "Queries with a passage that were scored.", nil),
    MetricDescription("baseline_ppl", "Mean perplexity without a passage.", .lower),
    MetricDescription("context_ppl", "Mean of each query's lowest perplexity with a passage.", .lower),
    MetricDescription(
      "accuracy@k", "Share of queries with a positive among the k passages of lowest perplexity.", .higher),
    MetricDescription("mean_rank", "Mean rank of the best positive by perplexity, from 1.", .lower),
  ]

  enum Target: String, ParameterChoice {
    /// The record's answer.
    case answer
    /// The query itself, where nobody has an answer.
    case query
  }

  enum Ranking: String, ParameterChoice {
    case lowestContext = "lowest_context_ppl"
    /// The same order, by another name: a query's baseline is one number.
    case highestDelta = "highest_delta_ppl"
  }

  @Input("Language model: a decoder's folder, or an adapter of PEFT.", as: .languageModel, base: "base")
  var model: ModelFolder
  @Input(
    "Queries: any records, of which `answer` has the answer and `rule`, if they have it, names their positives; or groups, or candidates.",
    .handsOn, records: true)
  var data: QuestionFile
  @Input(
    "Passages, each of which is scored with each query: a grammar book, or any records with `id` and `text`; of groups and candidates absent: their own.",
    records: true)
  var passages: DataFile?
  @Input("The only pairs to score: the hits of `retrieve`, or candidates of `mine`.", records: true)
  var candidates: PairFile?
  @Parameter("Whose perplexity counts.") var target = Target.answer
  @Parameter(
    "What stands before the target: a form with `{passage}`, `{query}` and `{type}`; absent: passage, empty line, query."
  )
  var prompt: String?
  @Parameter("The same without a passage; absent: the query alone.") var baselinePrompt: String?
  @Parameter("Whether the prompt is a user's turn, in the model's own chat template.", neutral: false) var chat = false
  @Parameter("What the system's turn before it says; absent: there is none.", neutral: .some(nil)) var system: String? =
    nil
  @Parameter(
    "Tokens of prompt and target after which the passage is cut; absent: all that the model has positions for.",
    in: 2...1_000_000)
  var maxLen: Int?
  @Parameter("Your names for `query`, `answer`, `id`, `type`, `rule`: headers or dotted JSON paths.")
  var columns: [String: String] = [:]
  @Shared var reading: ReadingParameters
  @Parameter("Passages of each query in the results.", in: 1...100_000) var topK = 5
  @Parameter("What the list of passages is called in the results; the order is the same.")
  var ranking = Ranking.lowestContext
  @Output(
    "Every passage that was scored: context_ppl; logit, ln(baseline_ppl) − ln(context_ppl); score, its sigmoid: above 0.5 the passage helps.",
    file: "scores.jsonl")
  var scores: ScoreFile
  @Output("Each query's best passages in the form of the first users' result files.", file: "perplexity_results.json")
  var results: ResultFile

  private static let columnNames = ["id", "query", "answer", "type", "rule", "records"]

  func problems() -> [String] {
    reading.problems + Columns.problems(columns, known: Self.columnNames) + form.problems
      + (system != nil && !chat ? ["`system` is a turn of a chat: `chat: true`"] : [])
  }

  private var form: PromptForm { PromptForm(prompt, alone: baselinePrompt, asks: target == .answer) }

  /// Pairs whose tokens are held at a time; decides no bit.
  private static let pairsAtOnce = 1 << 12

  func run(_ context: StageContext) async throws {
    let questions = try PerplexityQuestions(
      data, passages: passages, pairs: candidates, target: target, columns: columns, reading, context)
    let model = try LanguageModel(folder: model.url, base: model.base, on: context.device, maxTokens: maxLen)
    context.tell(model.notices, "perplexity")
    var chatPrompt: ChatPrompt?
    if chat {
      let folder = try ChatPrompt(folder: model.folder)
      if folder.isPlain {
        context.warn("[perplexity] the model's folder has no chat template: turns are lines, as `user: …`")
      }
      chatPrompt = folder
    }
    var scorer = PerplexityScorer(
      model: model, form: form, chat: chatPrompt.map { ($0, system) }, questions: questions)
    let known: [Digest: Float] = context.reuse(scorer.records, from: "scores") { file, take in
      try ScoredList.forEach(in: file) { list in
        let target = list.answer ?? list.query
        if let baseline = list.baselinePerplexity {
          take(recordDigest(list.query, list.type ?? "", target), baseline)
        }
        for candidate in list.candidates {
          guard let perplexity = candidate.perplexity else { continue }
          take(recordDigest(list.query, list.type ?? "", target, candidate.candidate.passage.text), perplexity)
        }
      }
    }
    let perplexities = try scorer.perplexities(known: known, pairsAtOnce: Self.pairsAtOnce) {
      context.progress($0, of: $1, detail: "pairs scored")
    }
    let lists = questions.lists.enumerated().map { index, list in list.scored(perplexities[index]) }
    try ScoredList.write(lists, to: scores.url)
    let best = zip(questions.lists, lists).map { RankedByPerplexity($0, $1) }
    try Data(
      JSONValue.array(best.map { $0.json(most: topK, ranking, questions.fields) }).text(.document).utf8
    ).write(to: results.url)
    report(best, scorer, reused: known.count, context)
  }

  private func report(
    _ rankings: [RankedByPerplexity], _ scorer: PerplexityScorer, reused: Int, _ context: StageContext
  ) {
    let pairs = rankings.reduce(0) { $0 + $1.order.count }
    context.log(
      "[perplexity] Queries: \(rankings.count) | Pairs: \(pairs) | Reused: \(reused) | Tokens: "
        + "\(scorer.tokens.computed) computed of \(scorer.tokens.whole), beginnings once")
    if scorer.cut > 0 {
      context.warn(
        "[perplexity] \(scorer.cut) passages were cut to fit beside their query and its target: raise `max_len`")
    }
    context.metric("queries", Double(rankings.count))
    context.metric("pairs", Double(pairs))
    context.metric("baseline_ppl", mean(rankings.map { Double($0.baseline) }))
    context.metric("context_ppl", mean(rankings.compactMap(\.lowest).map { Double($0) }))
    let ranks = rankings.filter(\.hasPositive).map(\.rank)
    guard !ranks.isEmpty else { return }
    let shares = [1, 5, 10].map { most in (most, Double(ranks.count { $0 ?? .max <= most }) / Double(ranks.count)) }
    for (most, share) in shares { context.metric("accuracy@\(most)", share) }
    let found = ranks.compactMap { $0 }
    if found.count == ranks.count { context.metric("mean_rank", mean(found.map { Double($0) })) }
    context.log(
      "[perplexity] Positives among the lowest: "
        + shares.map { "top-\($0) \(decimal($1))" }.joined(separator: " | ") + " | of \(ranks.count) queries")
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
}

/// Records of questions, groups, or candidates.
struct QuestionFile: Artifact {
  static let type = ArtifactType.records
  static let accepts: [ArtifactType] = [.records, .groups, .candidates, .json, .file]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  /// Throws a `DataError` if the file has to be looked at and cannot be read.
  func kind() throws -> ArtifactType { try bound.type ?? ArtifactType(lookingAt: url) }
}

/// Pairs of a query and a passage: the hits of a search, or candidates.
struct PairFile: Artifact {
  static let type = ArtifactType.ranking
  static let accepts: [ArtifactType] = [.ranking, .candidates, .scores]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  /// Passages' ids of each query's id. Throws a `DataError` with file and line.
  func passages() throws -> [String: Set<String>] {
    var passages: [String: Set<String>] = [:]
    switch try bound.type ?? ArtifactType(lookingAt: url) {
    case .candidates:
      try CandidateList.forEach(in: url) { passages[$0.id, default: []].formUnion($0.candidates.map(\.passage.id)) }
    case .scores:
      try ScoredList.forEach(in: url) {
        passages[$0.id, default: []].formUnion($0.candidates.map(\.candidate.passage.id))
      }
    default: try RankedPassage.forEach(in: url) { passages[$0.id, default: []].insert($0.passage) }
    }
    return passages
  }
}
