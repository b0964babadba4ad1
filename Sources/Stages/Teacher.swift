/// `teacher`: trains a cross-encoder on labelled pairs.
import Foundation
import Models
import Pipelines
import Tensors
import Tokenizers
import Training

extension PairForm: ParameterChoice {}

struct Teacher: Stage {
  static let kind = StageKind("teacher", revision: 3)
  static let abstract = "Trains a cross-encoder to tell passages that answer a query from those that do not."
  static let numeric = true
  static let trains = true
  static let metrics = TrainingParameters.metrics(validation: BestMetric.allCases.map(\.rawValue))

  enum BestMetric: String, ParameterChoice {
    case loss
    case ap
    case ndcg10 = "ndcg@10"
    case mrr10 = "mrr@10"
  }

  @Input("Encoder or cross-encoder to start from.", as: .teacher, base: "encoder") var base: ModelFolder
  @Input("Encoder that a `base` of the distillation program, best_model.pt, was trained from.") var encoder:
    ModelFolder?
  @Input("Queries with positives and negatives, each a pair: groups, or mined candidates.", .learnsFrom)
  var train: LabelledFile
  @Input("For choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: LabelledFile?
  @Shared var training: TrainingParameters
  @Parameter("How much a positive pair counts against a negative one.", in: 1e-6...1e6) var posWeight = 1.0
  @Parameter("A pair as the tokenizer has it, or as one text: `query [SEP] passage`.", neutral: PairForm.pair)
  var pairForm = PairForm.pair
  @Parameter("Probability of dropping an element of what the head reads.", in: 0...0.99, neutral: 0)
  var headDropout = 0.0
  @Parameter("Random negatives for each query that has none: passages of other queries.", in: 0...100_000)
  var randomNegatives = 4
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.loss
  @Seed var seed
  @Output("CrossEncoder folder, merged; adapter and lora_config.json inside.") var model: ModelFolder

  func obstacleToExtending() -> String? { training.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let engine = try context.engine
    let encoder = try CrossEncoder(
      folder: base.url, base: self.encoder?.url, engine: engine, maxTokens: training.maxLen, newHeadSeed: seed,
      form: pairForm)
    encoder.model.dropout.head = headDropout
    context.tell(encoder.notices, "teacher")
    try training.prepare(encoder.model, whole: ["classifier"] + encoder.newModules, seed: seed)

    let groups = training.sample(try train.read(drawing: randomNegatives, seed: seed), "teacher", seed: seed, context)
    let pairs = try LabelledPairs(groups, encoder)
    guard pairs.negatives > 0 else {
      throw DataError(
        train.url,
        "no query has negatives, so there is nothing to tell positives from; "
          + "mine some, or raise `random_negatives`, which needs passages of other queries")
    }
    context.log("[teacher] Pairs: \(pairs.all.count) | Positive: \(pairs.positives) | Negative: \(pairs.negatives)")
    let held = try validation.map { file in
      try LabelledPairs(file.read(drawing: randomNegatives, seed: seed), encoder)
    }
    context.report(encoder.health, "teacher")

    let loss = BinaryCrossEntropy(positiveWeight: posWeight)
    try context.train(
      encoder.model, PairTask(pairs: pairs.all, loss: loss),
      training.settings(context, seed: seed, bestMetric: bestMetric.rawValue),
      validate: held.map { held in { try held.metrics(encoder, loss) } })
    try Profile.measure(.saving) {
      try encoder.folder.write(encoder.model, maxSequenceLength: encoder.maxTokens, to: model.url)
    }
  }
}

/// Every positive and negative of some groups as a pair with its query.
private struct LabelledPairs {
  let all: [LabelledPair]
  /// The pairs of each query.
  private let ranges: [Range<Int>]
  var positives: Int { all.count { $0.label == 1 } }
  var negatives: Int { all.count - positives }

  init(_ groups: [QueryGroup], _ encoder: CrossEncoder) throws {
    var texts: [(query: String, passage: String)] = []
    var names: [String] = []
    var labels: [Double] = []
    var ranges: [Range<Int>] = []
    for group in groups {
      let start = texts.count
      for (label, passages) in [(1.0, group.positives), (0.0, group.negatives)] {
        for passage in passages {
          texts.append((group.query, passage.text))
          names.append("\(group.id)/\(passage.id)")
          labels.append(label)
        }
      }
      ranges.append(start..<texts.count)
    }
    let inputs = try encoder.tokenize(texts) { "query/passage \(names[$0])" }
    all = inputs.indices.map { LabelledPair(record: names[$0], input: inputs[$0], label: labels[$0]) }
    self.ranges = ranges
  }

  func metrics(_ encoder: CrossEncoder, _ loss: BinaryCrossEntropy) throws -> [ValidationMetric] {
    let logits = try encoder.logits(all.map(\.input))
    let labels = all.map(\.label)
    let rankings = ranges.map { range in
      // An equal score counts against the positive.
      let positives = range.filter { labels[$0] == 1 }.sorted { logits[$0] > logits[$1] }
      return QueryRanking(
        ranks: positives.enumerated().map { place, positive in
          1 + place + range.count { labels[$0] == 0 && logits[$0] >= logits[positive] }
        })
    }
    let count = Double(max(1, rankings.count))
    return [
      ValidationMetric("loss", loss(logits: logits.map(Double.init), labels: labels).value, higherIsBetter: false),
      ValidationMetric("ap", averagePrecision(logits, labels: labels.map { $0 == 1 })),
      ValidationMetric("ndcg@10", rankings.reduce(0) { $0 + $1.ndcg(10) } / count),
      ValidationMetric("mrr@10", rankings.reduce(0) { $0 + $1.reciprocalRank(10) } / count),
    ]
  }
}

/// Σ over thresholds of (recall − recall before)·precision, as scikit-learn's `average_precision_score`.
func averagePrecision(_ scores: [Float], labels: [Bool]) -> Double {
  let order = scores.indices.sorted { scores[$0] > scores[$1] }
  var (positives, seen, sum) = (0, 0, 0.0)
  while seen < order.count {
    let threshold = scores[order[seen]]
    let before = positives
    while seen < order.count, scores[order[seen]] == threshold {
      positives += labels[order[seen]] ? 1 : 0
      seen += 1
    }
    sum += Double(positives - before) * Double(positives) / Double(seen)
  }
  return positives == 0 ? 0 : sum / Double(positives)
}
