/// `dual-encoder`: trains a bi-encoder from labels, or from a teacher's margins.
import Foundation
import JSONText
import Models
import Pipelines
import Tensors
import Tokenizers
import Training

extension LabelLoss.Kind: ParameterChoice {}
extension LabelLoss.Direction: ParameterChoice {}
extension LabelLoss.Partition: ParameterChoice {}
extension LabelLoss.Hardness: ParameterChoice {}
extension LabelTask.Mix: ParameterChoice {}

struct DualEncoder: Stage {
  static let kind = StageKind("dual-encoder", revision: 2)
  static let abstract = "Trains a bi-encoder from labels: cross-entropy, in-batch negatives (MNR), MarginMSE, CoSENT."
  static let numeric = true
  static let trains = true
  static let metrics =
    TrainingParameters.metrics(validation: BestMetric.allCases.map(\.rawValue)) + [
      MetricDescription("temperature", "τ, step by step.", nil)
    ]

  /// `candidates_…`: among the query's own positives and negatives; the others: over all passages.
  enum BestMetric: String, ParameterChoice {
    case ndcg10 = "ndcg@10"
    case mrr10 = "mrr@10"
    case accuracy1 = "accuracy@1"
    case accuracy2 = "accuracy@2"
    case accuracy5 = "accuracy@5"
    case accuracy10 = "accuracy@10"
    case accuracy30 = "accuracy@30"
    case meanRank = "mean_rank"
    case candidatesAccuracy1 = "candidates_accuracy@1"
    case candidatesAccuracy2 = "candidates_accuracy@2"
    case candidatesMeanRank = "candidates_mean_rank"
  }
  enum Compared: String, ParameterChoice { case folder, cosine, dot }
  enum Strategy: String, ParameterChoice { case absolute, relative }

  private static let standard = LabelLoss()

  @Input("The bi-encoder before training.", as: .biEncoder, base: "encoder") var base: ModelFolder
  @Input(
    "Queries with positives and negatives: groups, mined candidates, or a teacher's scores; several sets as a list.",
    .learnsFrom)
  var train: [LabelledFile]
  @Input("For choosing the best epoch; absent: the last is kept.", .choosesBy) var validation: LabelledFile?
  @Input("What validation's queries search; absent: all passages of its groups.") var corpus: CorpusFile?
  @Input("Bi-encoder whose similarities tell false negatives of `mnr` (GIST).", as: .biEncoder) var guide: ModelFolder?
  @Shared var training: TrainingParameters
  @Parameter(
    "How token vectors become one, in training and in the folder that is written; absent: the folder's.",
    neutral: .some(nil))
  var pooling: PoolingMode? = nil
  @Group(
    "Texts that go before queries and passages, in training and in the folder that is written; absent: the folder's.",
    isNeutral: true)
  var prompts: PromptParameters?
  @Parameter("Softmax over each query's own candidates or over the batch, a teacher's margins, or the order of labels.")
  var loss = LabelLoss.Kind.mnr
  @Parameter(
    "Negatives of each query, drawn anew for each epoch from those that it has; `ce` draws passages of other queries where it has none.",
    in: 0...4096)
  var numNegatives = 4
  @Group("τ, by which similarities are divided: a parameter of its own that learns.") var temperature:
    TemperatureParameters
  @Parameter("What is compared: what the folder says, cosines, or products.") var similarity = Compared.folder
  @Parameter("Whom `mnr` compares; `query_to_doc` is always among them.") var directions = Self.standard.directions
  @Parameter("One softmax over all directions of `mnr`, or one a direction, averaged.")
  var partitionMode = Self.standard.partition
  @Parameter("Negatives whose logits grow by `hardness_strength` times their similarity.")
  var hardnessMode = Self.standard.hardness
  @Parameter("What of a negative's similarity is added to its logit.", in: 0...1000)
  var hardnessStrength = Self.standard.hardnessStrength
  @Group("Leaves negatives out that are as near to the query as its positive; absent: only with a `guide`.")
  var falseNegatives: FalseNegativeParameters?
  @Parameter("Prefixes of the vectors that learn too: [384, 128, 64]; empty: the whole vector alone.")
  var matryoshka: [Int] = []
  @Parameter("What each of them counts; empty: 1.") var matryoshkaWeights: [Double] = []
  @Parameter("How batches of several sets follow each other: by lot in proportion, or in turn until a set has no more.")
  var mix = LabelTask.Mix.proportional
  @Parameter("Validation metric that says which epoch is best.") var bestMetric = BestMetric.ndcg10
  @Seed var seed
  @Output("Sentence-transformers folder; τ is in its retort_training.json.") var model: ModelFolder

  func problems() -> [String] {
    var problems = training.problems(hasValidation: validation != nil, ["corpus": corpus != nil])
    if !directions.contains(.queryToDoc) {
      problems.append("`directions` needs `query_to_doc`, which has the positives")
    }
    if partitionMode == .perDirection, directions.contains(where: { ![.queryToDoc, .docToQuery].contains($0) }) {
      problems.append(
        "`partition_mode: per_direction` is for `query_to_doc` and `doc_to_query`: the others have no positive")
    }
    if !matryoshkaWeights.isEmpty, matryoshkaWeights.count != matryoshka.count {
      problems.append("`matryoshka_weights` needs one number for each of `matryoshka`'s \(matryoshka.count)")
    }
    if loss != .mnr, guide != nil || falseNegatives != nil {
      problems.append("`guide` and `false_negatives` are for `loss: mnr`")
    }
    return problems
  }

  func obstacleToExtending() -> String? { training.obstacleToExtending }

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(
      folder: base.url, base: base.base, on: context.device, maxTokens: training.maxLen, pooling: pooling,
      prompts: prompts?.texts ?? [:])
    context.tell(encoder.notices, "dual-encoder")
    try training.prepare(encoder.model, whole: [], seed: seed)
    let width = encoder.model.outputWidth
    if let wide = matryoshka.first(where: { $0 < 1 || $0 > width }) {
      throw StageInputError("`matryoshka`: \(wide) is no prefix of vectors of \(width) numbers")
    }

    let sets = try train.map { file in
      training.sample(
        try file.read(drawing: loss == .ce ? numNegatives : 0, seed: seed), "dual-encoder", seed: seed, context)
    }
    try check(sets)
    let texts = try LabelledTexts(sets, files: train.map(\.url), encoder)
    let held = try validation.map { file in
      let groups = try file.read(drawing: 0, seed: seed).map(\.group)
      return try RetrievalValidation(
        groups, PassagePool(validating: groups, file: file.url, corpus: corpus?.url), encoder)
    }
    context.report(encoder.health, "dual-encoder")

    let temperature = self.temperature.make(from: try FolderTemperature(in: base.url), on: encoder.model.device)
    warnOfStiffness(temperature, queries: texts.queries.count, context)
    let compared = labelLoss(encoder)
    let task = LabelTask(
      queries: texts.queries, passages: texts.passages, negatives: numNegatives, mix: mix, loss: compared,
      temperature: temperature, guide: try guide.map { try texts.judged(by: loadGuide($0, context)) }, width: width,
      seed: seed)
    try context.train(
      encoder.model, task, training.settings(context, seed: seed, bestMetric: bestMetric.rawValue),
      held.map { validation($0, encoder) })

    var settings = encoder.folder.settings
    settings.maxSequenceLength = encoder.maxTokens
    if similarity != .folder { settings.similarity = compared.similarity }
    try Profile.measure(.saving) {
      try encoder.folder.write(encoder.model, settings: settings, as: training.dtype, to: model.url)
      try FolderTemperature(logTemperature: temperature.logarithm).write(to: model.url)
    }
  }

  private func check(_ sets: [[LabelledRecord]]) throws {
    for (file, records) in zip(train, sets) {
      if records.isEmpty { throw DataError(file.url, "there are no queries to train on") }
      if loss == .marginMSE, let plain = records.first(where: { $0.logits == nil }) {
        throw DataError(
          file.url,
          "query `\(plain.group.id)` has no teacher's scores, which `loss: margin_mse` learns: give `train` the "
            + "`scores` of a `score` stage")
      }
      if loss != .mnr, records.allSatisfy(\.group.negatives.isEmpty) {
        throw DataError(
          file.url,
          "no query has negatives, which `loss: \(loss.rawValue)` tells from positives; mine some, or use "
            + "`loss: mnr`, whose negatives are the batch's other passages")
      }
    }
  }

  private func labelLoss(_ encoder: BiEncoder) -> LabelLoss {
    var loss = LabelLoss()
    loss.kind = self.loss
    loss.similarity =
      switch similarity {
      case .folder: encoder.similarity
      case .cosine: .cosine
      case .dot: .dot
      }
    loss.directions = directions
    loss.partition = partitionMode
    loss.hardness = hardnessMode
    loss.hardnessStrength = hardnessStrength
    loss.falseNegatives = falseNegatives?.rule ?? (guide == nil ? nil : .absolute(margin: 0))
    let weights = matryoshkaWeights.isEmpty ? matryoshka.map { _ in 1 } : matryoshkaWeights
    loss.matryoshka = zip(matryoshka, weights).map { ($0, $1) }
    return loss
  }

  private func loadGuide(_ folder: ModelFolder, _ context: StageContext) throws -> BiEncoder {
    let guide = try BiEncoder(folder: folder.url, base: folder.base, on: context.device)
    context.tell(guide.notices, "dual-encoder guide")
    return guide
  }

  /// Adam moves a number by at most about its rate a step, so a τ that begins too high may never become low.
  private func warnOfStiffness(_ temperature: Temperature, queries: Int, _ context: StageContext) {
    let steps = Double(training.epochs * queries / training.batchSize / training.accumulation + 1)
    let lowest = self.temperature.learn ? exp(temperature.logarithm - temperature.rate * steps) : temperature.value
    guard loss != .marginMSE, similarity != .dot, lowest > 0.3 else { return }
    context.warn(
      "[dual-encoder] τ begins at \(decimal(temperature.value)) and cannot fall below \(decimal(lowest)) in \(Int(steps)) "
        + "steps at `temperature.lr` \(temperature.rate): cosines divided by so much hardly differ; 0.05 is usual")
  }

  private func validation(_ held: RetrievalValidation, _ encoder: BiEncoder) -> TrainingValidation {
    let names = BestMetric.allCases.map(\.rawValue)
    return TrainingValidation(against: .start) {
      try held.run(encoder, metrics: names).validation.queries
    } validate: {
      try held.run(encoder, metrics: names).validation
    }
  }
}

struct PromptParameters: ParameterGroup {
  @Parameter("Before a query; empty: nothing; absent: what the folder says.") var query: String?
  @Parameter("Before a passage; empty: nothing; absent: what the folder says.") var passage: String?

  init() {}

  var texts: [TextRole: String] {
    [TextRole.query: query, .passage: passage].compactMapValues(\.self)
  }
}

struct TemperatureParameters: ParameterGroup {
  @Parameter("τ at the beginning; absent: what the folder's training ended with, else 0.05.", in: 1e-4...1000)
  var `init`: Double?
  @Parameter("Highest learning rate of ln τ.", in: 0...10) var lr = 1e-2
  @Parameter("τ below which it never falls.", in: 1e-4...1000) var min = 0.01
  @Parameter("Whether it learns; `false`: τ stays as it is.") var learn = true

  func make(from folder: FolderTemperature?, on device: any Device) -> Temperature {
    Temperature(
      logarithm: `init`.map { log($0) } ?? folder?.logTemperature ?? log(0.05), rate: lr, least: min, learns: learn,
      on: device)
  }
}

struct FalseNegativeParameters: ParameterGroup {
  @Parameter("By how much a negative must be farther than the positive.", in: 0...10) var margin = 0.0
  @Parameter("Whether the margin is a distance or a share of the positive's similarity.")
  var strategy = DualEncoder.Strategy.absolute

  var rule: LabelLoss.FalseNegatives { strategy == .absolute ? .absolute(margin: margin) : .relative(margin: margin) }
}

/// What a training leaves beside a model's weights: retort_training.json, `{"log_temperature": -3.1}`.
struct FolderTemperature: Codable {
  let logTemperature: Double
  private static let name = "retort_training.json"
  private enum CodingKeys: String, CodingKey { case logTemperature = "log_temperature" }

  init(logTemperature: Double) { self.logTemperature = logTemperature }

  /// `nil` where the folder has none. Throws `DataError` on one that is damaged.
  init?(in folder: URL) throws {
    let file = folder.appending(path: Self.name)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
    } catch {
      throw DataError(file, "this is no `{\"log_temperature\": …}`: remove the file, or write the model anew")
    }
  }

  func write(to folder: URL) throws { try JSONEncoder().encode(self).write(to: folder.appending(path: Self.name)) }
}
