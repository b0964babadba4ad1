/// `normalize`: brings a model's scores to 0…1, suggests a threshold, and says how far the targets are.
import Foundation
import JSONText
import Pipelines

struct Normalize: Stage {
  static let kind = StageKind("normalize", revision: 3)
  static let abstract = "Brings a bi-encoder's scores to 0…1, suggests a threshold, and compares with the targets."
  static let numeric = true
  static let outsideTools = ["gnuplot"]
  static let metrics = [
    MetricDescription("threshold", "Score that separates positives from negatives best, after normalising.", nil),
    MetricDescription("positive_mean", "Mean of positives after normalising.", nil),
    MetricDescription("negative_mean", "Mean of negatives after normalising.", .lower, target: "target_negative_mean"),
    MetricDescription("margin", "The first less the second.", .higher, target: "target_margin"),
    MetricDescription("auc", "Probability that a positive scores higher than a negative.", .higher),
    MetricDescription("negatives_above_half", "Share of negatives above 0.5 after normalising.", .lower),
  ]

  enum Method: String, ParameterChoice {
    /// (s + 1)/2
    case shift
    /// (s − min)/(max − min) of the validation scores
    case minmax
    /// Φ of the z-score among the validation scores
    case zscore
    /// σ(a·s + b), fitted on the validation pairs
    case calibrated
  }

  @Input("Bi-encoder.", as: .biEncoder, base: "base") var model: ModelFolder
  @Input("Queries to report on.", .evaluatedOn) var data: GroupFile
  @Input("Queries to fit the constants and the threshold on; needed by every method but `shift`.", .choosesBy)
  var validation: GroupFile?
  @Parameter("How scores become 0…1.") var method = Method.calibrated
  @Parameter("`calibrated`: negatives together weigh as much as positives, so that 0.5 means as likely as not.")
  var balanced = true
  @Parameter("Target: mean of the negatives at most this.", in: 0...1) var targetNegativeMean = 0.15
  @Parameter("Target: mean of the positives minus mean of the negatives at least this.", in: 0...1)
  var targetMargin = 0.7
  @Parameter("The picture's title.") var title = ""
  @Output("Constants, threshold, distributions before and after, targets.", file: "normalization.json")
  var results: ResultFile
  @Output("Distributions before and after.", file: "normalization.png") var picture: PictureFile

  func problems() -> [String] { method == .shift || validation != nil ? [] : [lacksValidation] }

  private var lacksValidation: String {
    "`method: \(method.rawValue)` is fitted on the port `validation`, to which nothing is bound"
  }

  func run(_ context: StageContext) async throws {
    let encoder = try loadBiEncoder(model, context, for: "normalize")
    guard encoder.scale == .cosine || method != .shift else {
      throw StageInputError(
        "\(model.url.path) compares vectors by their dot product (similarity_fn_name), which `method: shift` cannot map "
          + "to 0…1; choose minmax, zscore or calibrated")
    }
    let test = try PairScores(data, encoder)
    let fitting = try validation.map { try PairScores($0, encoder) }
    if let validation, validation.url == data.url {
      context.warn("[normalize] `validation` is the same file as `data`: the figures are those of the fit itself")
    }
    let map = try fit(fitting)
    let report = NormalizationReport(
      method: method.rawValue, map: map, test: test, fitting: fitting, targetNegativeMean: targetNegativeMean,
      targetMargin: targetMargin)
    try Data(report.json.text(.document).utf8).write(to: results.url)
    try report.picture(title: title).write(to: picture.url, scratch: context.scratch)
    for (name, value) in report.metrics { context.metric(name, value) }
    for line in report.lines { context.log("[normalize] \(line)") }
    for line in report.warnings { context.warn("[normalize] \(line)") }
  }

  private func fit(_ pairs: PairScores?) throws -> Normalization {
    if method == .shift { return .shift }
    guard let pairs else { throw StageInputError(lacksValidation) }
    switch method {
    case .shift: return .shift
    case .minmax: return try .fittedMinmax(pairs.positives + pairs.negatives)
    case .zscore: return try .fittedZscore(pairs.positives + pairs.negatives)
    case .calibrated:
      return try .fittedSigmoid(
        positives: pairs.positives, negatives: pairs.negatives, balanced: balanced)
    }
  }
}

/// Raw cosines of the positive and negative pairs of groups, and where the positives rank.
struct PairScores {
  /// `given`: the groups' own negatives; `corpus`: every other passage, where no group has its own.
  let pool: String
  let positives: [Double]
  let negatives: [Double]
  /// For each query its positives and negatives.
  let queries: [(positives: [Double], negatives: [Double])]

  init(_ file: GroupFile, _ encoder: any TextEncoding) throws {
    let groups = try QueryGroup.read(file.url)
    let passages = try PassagePool(of: groups, file: file.url)
    let judge = try Judge(EvaluationData(groups: groups), pool: passages)
    let retriever = try DenseRetriever(encoder, groups, passages)
    let judgements = judge.judge(retriever)
    let hasGiven = judgements.contains { !$0.given.isEmpty }
    self.init(
      pool: hasGiven ? "given" : "corpus",
      queries: judgements.map { judgement in
        let negatives = hasGiven ? judgement.given : judgement.others
        return (judgement.positives.map { Double($0.score) }, negatives.map(Double.init))
      })
    guard !negatives.isEmpty else {
      throw DataError(file.url, "there are no negative pairs: give the groups negatives, or more than one passage")
    }
  }

  /// Only queries with negatives count.
  init(pool: String, queries: [(positives: [Double], negatives: [Double])]) {
    self.pool = pool
    self.queries = queries.filter { !$0.negatives.isEmpty }
    positives = self.queries.flatMap(\.positives)
    negatives = self.queries.flatMap(\.negatives)
  }

  func mapped(_ map: Normalization) -> ScorePool {
    ScorePool(name: pool, positives: positives.map { map($0) }, negatives: negatives.map { map($0) })
  }

  /// Mean reciprocal rank of the best positive among its query's pairs; equal scores count against it.
  func reciprocalRank(_ map: Normalization?) -> Double {
    queries.reduce(0) { sum, query in
      func value(_ score: Double) -> Double { map.map { $0(score) } ?? score }
      let best = query.positives.map(value).max() ?? -.infinity
      return sum + 1 / Double(1 + query.negatives.count { value($0) >= best })
    } / Double(max(1, queries.count))
  }
}
