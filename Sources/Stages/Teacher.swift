/// `teacher`: trains a cross-encoder on labelled pairs.
import Foundation
import Models
import Pipelines
import Tensors
import Tokenizers
import Training

extension PairForm: ParameterChoice {}
extension RerankerLoss.Kind: ParameterChoice {}
extension RerankerLoss.Weighting: ParameterChoice {}
extension RerankerLoss.Logarithm: ParameterChoice {}

struct Teacher: Stage {
  static let kind = StageKind("teacher", revision: 5)
  static let abstract = "Trains a cross-encoder to tell passages that answer a query from those that do not."
  static let numeric = true
  static let trains = true
  static let metrics = TrainingParameters.metrics(validation: BestMetric.allCases.map(\.rawValue) + ["auc"])

  enum BestMetric: String, ParameterChoice {
    case loss
    case ap
    case ndcg10 = "ndcg@10"
    case mrr10 = "mrr@10"
  }

  enum HeadBias: String, ParameterChoice {
    case zero
    /// ln(w·positives/negatives), so that the first logits are as likely as the labels.
    case prior
  }

  @Input("Encoder or cross-encoder to start from.", as: .teacher, base: "encoder") var base: ModelFolder
  @Input(
    "Queries with positives and negatives, each a pair: groups, mined candidates, or a teacher's scores.", .learnsFrom)
  var train: LabelledFile
  @Input("For choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: LabelledFile?
  @Input("What validation's queries search; absent: each orders its own passages.") var corpus: CorpusFile?
  @Input(
    "Bi-encoder that finds what validation orders, and that a new head is held against; absent: BM25.", as: .biEncoder)
  var firstStage: ModelFolder?
  @Shared var training: TrainingParameters
  @Parameter(
    "What is learnt: each pair's label (`bce`), the order of a query's passages (`ranknet`, `listnet`, `lambda`), or the "
      + "margins of a teacher's logits (`margin_mse`). All but `bce` have queries in a batch, with all their passages.",
    neutral: RerankerLoss.Kind.bce)
  var loss = RerankerLoss.Kind.bce
  @Group("What two passages count, of `loss: lambda` and `ranknet`.", isNeutral: true) var lambda: LambdaParameters?
  @Parameter("How much a positive pair counts against a negative one, of `loss: bce`.", in: 1e-6...1e6)
  var posWeight = BinaryCrossEntropy().positiveWeight
  @Parameter("A pair as the tokenizer has it, or as one text: `query [SEP] passage`.", neutral: PairForm.pair)
  var pairForm = PairForm.pair
  @Parameter("Probability of dropping an element of what the head reads.", in: 0...0.99, neutral: 0)
  var headDropout = 0.0
  @Parameter(
    "Bias that a new head begins with: 0, or the log-odds of the training pairs' labels.", neutral: HeadBias.zero)
  var headBias = HeadBias.zero
  @Parameter(
    "Epochs at the beginning that leave out hard negatives: those that `mine` found by `nearest`, `bm25` or `category`.",
    in: 0...100_000, neutral: 0)
  var curriculum = 0
  @Parameter("Random negatives for each query that has none: passages of other queries.", in: 0...100_000)
  var randomNegatives = 4
  @Parameter(
    "Passages of the first stage that validation judges for each query, with `corpus`.", in: 1...100_000, neutral: 50)
  var rerank = 50
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.loss
  @Seed var seed
  @Output("CrossEncoder folder, merged; adapter and lora_config.json inside.") var model: ModelFolder

  func problems() -> [String] {
    var problems = training.problems(
      hasValidation: validation != nil, ["corpus": corpus != nil, "first_stage": firstStage != nil])
    if loss != .bce, posWeight != BinaryCrossEntropy().positiveWeight {
      problems.append("`pos_weight` is for `loss: bce`")
    }
    if loss != .bce, headBias != .zero {
      problems.append(
        "`head_bias: prior` is for `loss: bce`: other losses compare logits, which all have the same bias")
    }
    if let lambda, ![.lambda, .ranknet].contains(loss) {
      problems.append("`lambda` is for `loss: lambda` and `loss: ranknet`")
    } else if loss == .ranknet, let lambda, lambda.weighting != LambdaParameters().weighting {
      problems.append("`lambda.weighting` is for `loss: lambda`: `ranknet` weighs all alike")
    }
    return problems
  }

  func obstacleToExtending() -> String? { training.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let encoder = try CrossEncoder(
      folder: base.url, base: base.base, on: context.device, maxTokens: training.maxLen, newHeadSeed: seed,
      form: pairForm)
    context.tell(encoder.notices, "teacher")
    try training.prepare(
      encoder.model, whole: [encoder.model.classifierModule] + encoder.newModules, headDropout: headDropout, seed: seed)

    let loss = rerankerLoss
    guard encoder.labels == 1 || loss.kind == .bce else {
      throw StageInputError("`base` has two labels, which only `loss: bce` trains: it is \(loss.kind.rawValue)")
    }
    let records = training.sample(try train.read(drawing: randomNegatives, seed: seed), "teacher", seed: seed, context)
    let pairs = try LabelledPairs(records, encoder)
    try check(records, pairs)
    if headBias == .prior, encoder.newModules.contains(encoder.model.classifierModule) {
      let odds = posWeight * Double(pairs.positives) / Double(pairs.negatives)
      guard encoder.model.setBias(log(odds)) else {
        throw StageInputError("`head_bias: prior` needs a head with a bias, and this `base` gets one without")
      }
    }
    context.log("[teacher] Pairs: \(pairs.all.count) | Positive: \(pairs.positives) | Negative: \(pairs.negatives)")
    let held = try validation.map { try self.validation($0, encoder, loss, context) }
    context.report(encoder.health, "teacher")

    let kept = try context.train(
      encoder.model,
      PairTask(
        lists: loss.kind == .bce ? pairs.all.map { [$0] } : pairs.lists, loss: loss, labels: encoder.labels,
        curriculum: curriculum),
      training.settings(context, seed: seed, bestMetric: bestMetric.rawValue),
      held.map { held, against, start in
        TrainingValidation(against: against, start: start, validate: { try held.run(encoder, loss) })
      })
    if let (held, _, _) = held { warn(of: kept, held, context) }
    try Profile.measure(.saving) {
      try encoder.folder.write(
        encoder.model, maxSequenceLength: encoder.maxTokens, as: training.dtype, to: model.url)
    }
  }

  private var rerankerLoss: RerankerLoss {
    var result = RerankerLoss()
    result.kind = loss
    result.positiveWeight = posWeight
    lambda?.set(&result)
    return result
  }

  /// Throws a `DataError` where there is nothing to learn.
  private func check(_ records: [LabelledRecord], _ pairs: LabelledPairs) throws {
    guard pairs.negatives > 0 else {
      throw DataError(
        train.url,
        "no query has negatives, so there is nothing to tell positives from; "
          + "mine some, or raise `random_negatives`, which needs passages of other queries")
    }
    let hard = pairs.all.count { $0.isHard }
    if curriculum > 0, hard == 0 || hard == pairs.negatives {
      throw DataError(
        train.url,
        "`curriculum` puts hard negatives off, and \(hard == 0 ? "no" : "every") negative is one: give `train` candidates "
          + "of two `mine` stages, one after the other, by `strategy: nearest` and by `strategy: random`")
    }
    if loss == .marginMSE, let plain = records.first(where: { $0.logits == nil }) {
      throw DataError(
        train.url,
        "query `\(plain.group.id)` has no teacher's scores, which `loss: margin_mse` learns: give `train` the `scores` of "
          + "a `score` stage")
    }
  }

  /// What is validated, and what the teacher is held against: a new head knows nothing, so the order that reranking
  /// would replace stands for its start.
  private func validation(
    _ file: LabelledFile, _ encoder: CrossEncoder, _ loss: RerankerLoss, _ context: StageContext
  ) throws -> (PairValidation, Verdict.Start, start: () throws -> [Double]) {
    let records = try file.read(drawing: randomNegatives, seed: seed)
    let groups = records.map(\.group)
    let pairs = try LabelledPairs(records, encoder)
    if bestMetric == .loss, training.keep == .best || training.earlyStopping != nil, !pairs.canTeach(loss) {
      throw DataError(
        file.url,
        "`best_metric: loss` with `loss: margin_mse` needs a teacher's scores to validate by: give `validation` the "
          + "`scores` of a `score` stage, or choose by another metric, as `best_metric: ndcg@10`")
    }
    let isNew = encoder.newModules.contains(encoder.model.classifierModule)
    if firstStage != nil, corpus == nil, !isNew {
      context.warn(
        "[teacher] `first_stage` is not used: `base` is a cross-encoder, which is held against itself; with `corpus` the "
          + "first stage finds what validation orders")
    }
    guard isNew || corpus != nil else {
      let held = PairValidation(pairs)
      return (held, .start, { try held.run(encoder, loss).queries })
    }
    let pool = try PassagePool(validating: groups, file: file.url, corpus: corpus?.url)
    let first: any Retriever =
      if let firstStage {
        try DenseRetriever(loadBiEncoder(firstStage, context, for: "teacher"), groups, pool)
      } else {
        LexicalRetriever(queries: groups.map(\.query), index: BM25(pool.texts))
      }
    let lists = try corpus.map { _ in try RerankedLists(groups, pool, first, depth: rerank, encoder) }
    let held = PairValidation(pairs, reranking: lists)
    guard isNew else { return (held, .start, { try held.run(encoder, loss).queries }) }
    let start = held.ndcg(first, pool)
    return (held, firstStage == nil ? .bm25 : .firstStage, { start })
  }

  private func warn(of kept: Validation, _ held: PairValidation, _ context: StageContext) {
    guard let auc = kept.metrics.first(where: { $0.name == "auc" })?.value, auc.isFinite else { return }
    let half = halfInterval(ofAUC: auc, positives: held.positives, negatives: held.negatives)
    guard auc - half <= 0.5 else { return }
    context.warn(
      "[teacher] on validation its AUC is \(decimal(auc, 3)), 95 % interval \(decimal(max(0, auc - half), 3))…"
        + "\(decimal(min(1, auc + half), 3)): it may tell answers from other passages no better than chance, and a student "
        + "can learn nothing from its scores; try more epochs, a higher `lr`, more pairs, or a `base` that was pretrained"
    )
  }
}

/// Names and defaults as sentence-transformers' LambdaLoss has them.
struct LambdaParameters: ParameterGroup {
  private static let standard = RerankerLoss()

  @Parameter("How a pair is weighed: `ndcg_loss2pp`, `ndcg_loss2`, `lambda_rank`, `ndcg_loss1`, or `none`.")
  var weighting = Self.standard.weighting
  @Parameter("What `ndcg_loss2` counts in `ndcg_loss2pp`.", in: 0...1e6) var mu = Self.standard.mu
  @Parameter("Only pairs with one of the first k passages count; absent: all.", in: 1...1_000_000) var k: Int?
  @Parameter("By which differences of logits are multiplied.", in: 1e-6...1e6) var sigma = Self.standard.sigma
  @Parameter("Least DCG that gains are divided by.", in: 1e-300...1e6) var eps = Self.standard.eps
  @Parameter("Base of the loss's logarithm.") var reductionLog = Self.standard.logarithm

  init() {}

  func set(_ loss: inout RerankerLoss) {
    loss.weighting = weighting
    (loss.mu, loss.k, loss.sigma, loss.eps) = (mu, k, sigma, eps)
    loss.logarithm = reductionLog
  }
}
