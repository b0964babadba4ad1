/// Which way a metric is good, as far as its name tells.

package enum MetricDirection: String, Codable, Sendable {
  case higher, lower

  private static let higherWords: Set = [
    "accuracy", "precision", "recall", "ndcg", "mrr", "map", "ap", "auc", "margin", "f1",
  ]
  private static let lowerWords: Set = ["loss", "perplexity"]

  /// `nil` where the name says nothing: no judgement is passed then.
  /// - Parameter metric: `ndcg@10`, `validation_loss`, also with its stage: `scores.mean_rank`.
  package init?(of metric: String) {
    let name = metric.split(separator: ".", maxSplits: 1).last ?? ""
    let words = name.lowercased().prefix { $0 != "@" }.split(separator: "_").map(String.init)
    if words.contains(where: Self.lowerWords.contains) || words.suffix(2) == ["mean", "rank"]
      || words.suffix(2) == ["negative", "mean"]
    {
      self = .lower
    } else if words.contains(where: Self.higherWords.contains) {
      self = .higher
    } else {
      return nil
    }
  }

  /// Whether `value` is better than `other`.
  package func prefers(_ value: Double, to other: Double) -> Bool {
    self == .higher ? value > other : value < other
  }
}
