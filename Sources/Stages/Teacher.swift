/// `teacher`: trains a cross-encoder on labelled pairs.
import Foundation
import Models
import Pipelines
import Tensors
import Tokenizers
import Training

extension PairForm: ParameterChoice {}

struct Teacher: Stage {
  static let kind = StageKind("teacher", revision: 4)
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

  @Input("Encoder or cross-encoder to start from.", as: .teacher, base: "encoder") var base: ModelFolder
  @Input("Queries with positives and negatives, each a pair: groups, or mined candidates.", .learnsFrom)
  var train: LabelledFile
  @Input("For choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: LabelledFile?
  @Input("What validation's queries search; absent: each orders its own passages.") var corpus: CorpusFile?
  @Input(
    "Bi-encoder that finds what validation orders, and that a new head is held against; absent: BM25.", as: .biEncoder)
  var firstStage: ModelFolder?
  @Shared var training: TrainingParameters
  @Parameter("How much a positive pair counts against a negative one.", in: 1e-6...1e6)
  var posWeight = BinaryCrossEntropy().positiveWeight
  @Parameter("A pair as the tokenizer has it, or as one text: `query [SEP] passage`.", neutral: PairForm.pair)
  var pairForm = PairForm.pair
  @Parameter("Probability of dropping an element of what the head reads.", in: 0...0.99, neutral: 0)
  var headDropout = 0.0
  @Parameter("Random negatives for each query that has none: passages of other queries.", in: 0...100_000)
  var randomNegatives = 4
  @Parameter(
    "Passages of the first stage that validation judges for each query, with `corpus`.", in: 1...100_000, neutral: 50)
  var rerank = 50
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.loss
  @Seed var seed
  @Output("CrossEncoder folder, merged; adapter and lora_config.json inside.") var model: ModelFolder

  func problems() -> [String] {
    training.problems(hasValidation: validation != nil, ["corpus": corpus != nil, "first_stage": firstStage != nil])
  }

  func obstacleToExtending() -> String? { training.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let encoder = try CrossEncoder(
      folder: base.url, base: base.base, on: context.device, maxTokens: training.maxLen, newHeadSeed: seed,
      form: pairForm)
    context.tell(encoder.notices, "teacher")
    try training.prepare(
      encoder.model, whole: [encoder.model.classifierModule] + encoder.newModules, headDropout: headDropout, seed: seed)

    let groups = training.sample(try train.read(drawing: randomNegatives, seed: seed), "teacher", seed: seed, context)
    let pairs = try LabelledPairs(groups, encoder)
    guard pairs.negatives > 0 else {
      throw DataError(
        train.url,
        "no query has negatives, so there is nothing to tell positives from; "
          + "mine some, or raise `random_negatives`, which needs passages of other queries")
    }
    context.log("[teacher] Pairs: \(pairs.all.count) | Positive: \(pairs.positives) | Negative: \(pairs.negatives)")
    let loss = BinaryCrossEntropy(positiveWeight: posWeight)
    let held = try validation.map { try self.validation($0, encoder, context) }
    context.report(encoder.health, "teacher")

    let kept = try context.train(
      encoder.model, PairTask(pairs: pairs.all, loss: loss),
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

  /// What is validated, and what the teacher is held against: a new head knows nothing, so the order that reranking
  /// would replace stands for its start.
  private func validation(
    _ file: LabelledFile, _ encoder: CrossEncoder, _ context: StageContext
  ) throws -> (PairValidation, Verdict.Start, start: () throws -> [Double]) {
    let groups = try file.read(drawing: randomNegatives, seed: seed)
    let pairs = try LabelledPairs(groups, encoder)
    let isNew = encoder.newModules.contains("classifier")
    if firstStage != nil, corpus == nil, !isNew {
      context.warn(
        "[teacher] `first_stage` is not used: `base` is a cross-encoder, which is held against itself; with `corpus` the "
          + "first stage finds what validation orders")
    }
    let loss = BinaryCrossEntropy(positiveWeight: posWeight)
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
