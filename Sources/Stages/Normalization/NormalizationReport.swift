/// What normalising did: constants, threshold, distributions, targets; as JSON, lines and a picture. Keys of the JSON:
///
/// - `method` and its `constants`; `pool`: `given` (dedicated negatives) or `corpus`.
/// - `threshold`: of the best balanced accuracy on validation pairs (`fitted_on`: on which).
/// - `before` (s + 1)/2 and `after`: `positives`, `negatives`, `margin`, `auc`, `variance`, `negatives_above_half`, ….
/// - `ranking`: mean reciprocal rank of positives among their query's pairs, raw and after; `kept` if not worse.
/// - `targets`: `negative_mean` and `margin`, each with its `target`, `value` and `met`.
import Foundation
import JSONText

struct NormalizationReport {
  let method: String
  let map: Normalization
  let test: PairScores
  let fitting: PairScores?
  let targetNegativeMean: Double
  let targetMargin: Double
  private let before: ScorePool
  private let after: ScorePool
  let threshold: Double

  init(
    method: String, map: Normalization, test: PairScores, fitting: PairScores?, targetNegativeMean: Double,
    targetMargin: Double
  ) {
    self.method = method
    self.map = map
    self.test = test
    self.fitting = fitting
    self.targetNegativeMean = targetNegativeMean
    self.targetMargin = targetMargin
    before = test.mapped(.shift)
    after = test.mapped(map)
    threshold = (fitting ?? test).mapped(map).bestThreshold
  }

  private var aboveHalf: Double { ScorePool.share(of: after.negatives, atLeast: 0.5.nextUp) }
  private var ranking: (raw: Double, after: Double) { (test.reciprocalRank(nil), test.reciprocalRank(map)) }
  private var isRankingKept: Bool { ranking.after >= ranking.raw - 1e-12 }

  var metrics: [(String, Double)] {
    [
      ("threshold", threshold), ("positive_mean", after.positive.mean), ("negative_mean", after.negative.mean),
      ("margin", after.margin), ("auc", after.auc), ("negatives_above_half", aboveHalf),
    ]
  }

  var lines: [String] {
    let constants = map.constants.map { "\($0.key) \($0.value.scalarText ?? "")" }.joined(separator: ", ")
    return [
      "\(method)\(constants.isEmpty ? "" : " (\(constants))"), \(test.pool) negatives: positives "
        + "\(decimal(after.positive.mean)) negatives \(decimal(after.negative.mean)) margin \(decimal(after.margin))"
        + " | before: \(decimal(before.positive.mean)) \(decimal(before.negative.mean)) \(decimal(before.margin))",
      "threshold \(decimal(threshold)): balanced accuracy \(decimal(after.balancedAccuracy(threshold)))",
      "negatives above 0.5: \(decimal(aboveHalf * 100, 1)) %",
      "targets: negative mean ≤ \(targetNegativeMean) \(met(isNegativeMeanMet)), margin ≥ \(targetMargin) "
        + "\(met(isMarginMet)), ranking not worse \(met(isRankingKept))",
    ]
  }

  var warnings: [String] {
    var warnings: [String] = []
    if case .shift = map {
      warnings.append("with (s + 1)/2, 0.5 means cosine 0, not “undecided”: use the threshold \(decimal(threshold))")
    }
    if !isRankingKept { warnings.append("normalising made the ranking worse: scores were cut, or a is not positive") }
    if test.pool == "corpus" {
      warnings.append("the targets are meant for dedicated negatives; these groups have none, so all passages served")
    }
    return warnings
  }

  private var isNegativeMeanMet: Bool { after.negative.mean <= targetNegativeMean }
  private var isMarginMet: Bool { after.margin >= targetMargin }
  private func met(_ isMet: Bool) -> String { isMet ? "met" : "missed" }

  var json: JSONValue {
    [
      "method": .string(method),
      "constants": .object(map.constants),
      "fitted_on": .string(fitting == nil ? "nothing" : "validation"),
      "pool": .string(test.pool),
      "threshold": .double(threshold),
      "before": before.json(.logit),
      "after": after.json(.logit),
      "ranking": [
        "raw": .double(ranking.raw), "after": .double(ranking.after), "kept": .bool(isRankingKept),
      ],
      "targets": [
        "negative_mean": target(targetNegativeMean, after.negative.mean, isNegativeMeanMet),
        "margin": target(targetMargin, after.margin, isMarginMet),
      ],
    ]
  }

  private func target(_ target: Double, _ value: Double, _ isMet: Bool) -> JSONValue {
    ["target": .double(target), "value": .double(value), "met": .bool(isMet)]
  }

  func picture(title: String) -> Picture {
    Picture(
      title: (title.isEmpty ? "" : "\(title) – ") + "\(method): margin \(decimal(before.margin, 3)) → "
        + "\(decimal(after.margin, 3)), threshold \(decimal(threshold, 3))",
      panels: [
        .distributions(before, title: "Before: (cosine + 1)/2", range: 0...1, mark: before.bestThreshold),
        .distributions(after, title: "After: \(method)", range: 0...1, mark: threshold),
      ])
  }
}
