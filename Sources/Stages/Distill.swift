/// `distill`: trains a bi-encoder to rank as a cross-encoder did.
import Foundation
import Models
import Pipelines
import Tensors
import Tokenizers
import Training

extension DistillationLoss.StudentScores: ParameterChoice {}
extension DistillationLoss.TeacherScores: ParameterChoice {}
extension DistillationLoss.Contrastive: ParameterChoice {}
extension DistillationLoss.PositivesFrom: ParameterChoice {}

struct Distill: Stage {
  static let kind = StageKind("distill", revision: 5)
  static let abstract = "Distils a cross-encoder's judgement into a bi-encoder: KL, contrastive and penalty terms."
  static let numeric = true
  static let trains = true
  static let metrics = TrainingParameters.metrics(
    parts: ["kl", "contrastive", "negative_penalty"], validation: BestMetric.allCases.map(\.rawValue))

  enum BestMetric: String, ParameterChoice {
    case ndcg10 = "ndcg@10"
    case mrr10 = "mrr@10"
    case accuracy1 = "accuracy@1"
  }

  private static let standard = DistillationLoss()

  @Input("The student before training.", as: .student, base: "encoder") var base: ModelFolder
  @Input("Candidates with the teacher's judgement.", .learnsFrom) var scores: ScoreFile
  @Input("For choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: GroupFile?
  @Input("What validation's queries search; absent: all passages of its groups.") var corpus: CorpusFile?
  @Shared var training: TrainingParameters
  @Parameter("Candidates of a training group: one positive, K − 1 negatives.", in: 2...4096) var K = 16
  @Parameter("Softmax temperature of the student's scores.", in: 1e-3...100) var tau = Self.standard.tau
  @Parameter(
    "Softmax temperature of the teacher's scores; absent: 1 of logits, tau of sigmoid scores.", in: 1e-3...1000)
  var teacherTau: Double?
  @Parameter("Multiply the KL term by tau².") var scaleByTauSquared = Self.standard.scaleByTauSquared
  @Parameter(
    "What is compared: the cosine (in the KL term; s̃ in the others), s̃ = (cosine + 1)/2, or the cosine where above 0.")
  var studentScores = Self.standard.studentScores
  @Parameter("The teacher's side of the KL term: its logits, or their sigmoid.")
  var teacherScores = Self.standard.teacherScores
  @Parameter("Weight of the KL term; 0 learns from labels alone.", in: 0...1000)
  var klWeight = Self.standard.klWeight
  @Parameter("Weight of the contrastive term.", in: 0...1000) var contrastiveWeight = Self.standard.contrastiveWeight
  @Parameter("The contrastive term: InfoNCE over the batch, or a margin between means.")
  var contrastive = Self.standard.contrastive
  @Parameter("Least distance of positives' from negatives' mean (cosine + 1)/2.", in: 0...1)
  var margin = Self.standard.margin
  @Parameter("Temperature of `contrastive: infonce`.", in: 1e-3...100)
  var contrastiveTemperature = Self.standard.contrastiveTemperature
  @Parameter("Whether labels or the teacher say which candidates are positives.")
  var positivesFrom = Self.standard.positivesFrom
  @Parameter("Teacher's score above which a candidate is a positive, with `positives_from: teacher`.", in: 0...1)
  var positiveThreshold = Self.standard.positiveThreshold
  @Parameter("Weight of the negative penalty.", in: 0...1000)
  var negativePenaltyWeight = Self.standard.negativePenaltyWeight
  @Parameter("(cosine + 1)/2 below which a negative is let be.", in: 0...1)
  var negativeTarget = Self.standard.negativeTarget
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.ndcg10
  @Seed var seed
  @Output("Sentence-transformers folder.") var student: ModelFolder

  static let dotNotice =
    "the student's folder compares by dot product; the loss compares cosines, so the student is saved with "
    + "`similarity_fn_name: cosine`"

  func problems() -> [String] {
    training.problems(hasValidation: validation != nil, ["corpus": corpus != nil])
  }

  func obstacleToExtending() -> String? { training.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(
      folder: base.url, base: base.base, on: context.device, maxTokens: training.maxLen)
    context.tell(encoder.notices, "distill")
    if encoder.similarity != .cosine { context.warn("[distill] \(Self.dotNotice)") }
    try training.prepare(encoder.model, whole: [], seed: seed)

    let lists = training.sample(try ScoredList.read(scores.url), "distill", seed: seed, context)
    let judged = try JudgedPool(lists, file: scores.url, encoder)
    let held = try validation.map { file in
      let groups = try QueryGroup.read(file.url)
      return try RetrievalValidation(
        groups, PassagePool(validating: groups, file: file.url, corpus: corpus?.url), encoder)
    }
    context.report(encoder.health, "distill")
    if let bound = judged.marginBound, bound < margin, contrastive == .margin {
      context.warn(
        "[distill] all negatives are other queries' positives: their mean margin cannot exceed "
          + String(format: "%.3f", bound) + "; a margin of \(margin) needs dedicated negatives")
    }

    let task = try DistillationTask(
      queries: judged.queries, passages: judged.passages, K: K, loss: loss, width: encoder.model.outputWidth,
      seed: seed)
    try context.train(
      encoder.model, task, training.settings(context, seed: seed, bestMetric: bestMetric.rawValue),
      held.map { validation($0, encoder, context) })
    var settings = encoder.folder.settings
    settings.maxSequenceLength = encoder.maxTokens
    settings.similarity = encoder.similarity == .cosine ? settings.similarity : .cosine
    try Profile.measure(.saving) {
      try encoder.folder.write(encoder.model, settings: settings, as: training.dtype, to: student.url)
    }
  }

  private func validation(
    _ held: RetrievalValidation, _ encoder: BiEncoder, _ context: StageContext
  ) -> TrainingValidation {
    let names = BestMetric.allCases.map(\.rawValue)
    var isTold = false
    return TrainingValidation(against: .start) {
      try held.run(encoder, metrics: names).validation.queries
    } validate: {
      let (validation, blindness) = try held.run(encoder, metrics: names)
      if let blindness, !isTold {
        isTold = true
        context.warn(
          "[distill] \(blindness): the student hardly looks at what a query says; try a lower `lr`, "
            + "`negative_penalty_weight: 0`, or `contrastive: infonce`")
      }
      return validation
    }
  }

  private var loss: DistillationLoss {
    var loss = DistillationLoss()
    loss.tau = tau
    loss.teacherTau = teacherTau
    loss.scaleByTauSquared = scaleByTauSquared
    loss.studentScores = studentScores
    loss.teacherScores = teacherScores
    loss.klWeight = klWeight
    loss.contrastiveWeight = contrastiveWeight
    loss.contrastive = contrastive
    loss.margin = margin
    loss.contrastiveTemperature = contrastiveTemperature
    loss.positivesFrom = positivesFrom
    loss.positiveThreshold = positiveThreshold
    loss.negativePenaltyWeight = negativePenaltyWeight
    loss.negativeTarget = negativeTarget
    return loss
  }
}

/// Scored candidates as model inputs; a passage that many queries share is tokenized once.
private struct JudgedPool {
  let queries: [JudgedQuery]
  let passages: [Encoding]
  /// Largest mean margin that the negatives allow, N/(2(N − 1)), where all of them are positives of other queries:
  /// N unit vectors are farthest apart at the corners of a simplex. Absent where some negatives are dedicated.
  let marginBound: Double?

  init(_ lists: [ScoredList], file: URL, _ encoder: BiEncoder) throws {
    var pool = try PassagePool([], file: file)
    try pool.add(
      lists.map { list in
        QueryGroup(
          id: list.id, query: list.query, positives: list.candidates.map(\.candidate.passage))
      }, file: file)
    let inputs = try encoder.tokenize(lists.map(\.query), as: .query) { "query \(lists[$0].id)" }
    queries = zip(lists, inputs).map { list, input in
      // Each text once, as a positive if it is one.
      var seen: Set<Int> = []
      let candidates = list.candidates.map {
        JudgedQuery.Candidate(
          passage: pool.indexOfID[$0.candidate.passage.id]!, isPositive: $0.candidate.isPositive,
          logit: Double($0.logit))
      }
      return JudgedQuery(
        id: list.id, query: input,
        candidates: (candidates.filter(\.isPositive) + candidates.filter { !$0.isPositive })
          .filter { seen.insert($0.passage).inserted })
    }
    passages = try encoder.tokenize(pool.texts, as: .passage) { "passage \(pool.ids[$0])" }
    let candidates = queries.flatMap(\.candidates)
    let positives = Set(candidates.filter(\.isPositive).map(\.passage))
    let shared = candidates.allSatisfy { positives.contains($0.passage) } && positives.count > 1
    marginBound = shared ? Double(positives.count) / Double(2 * (positives.count - 1)) : nil
  }
}
