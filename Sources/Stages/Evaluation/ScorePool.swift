/// Scores of positive and negative pairs, and what they say about separation.
import Foundation

/// Mean, spread and quantiles of scores.
struct Distribution {
  let count: Int
  let mean: Double
  /// Of the population: divided by n.
  let variance: Double
  /// Minimum, 5 %, 25 %, median, 75 %, 95 %, maximum; quantiles interpolate linearly.
  let quantiles: [Double]
  static let quantileNames = ["min", "p05", "p25", "median", "p75", "p95", "max"]

  /// `sorted` ascending.
  init(sorted: [Double]) {
    count = sorted.count
    let n = Double(max(1, sorted.count))
    let mean = sorted.reduce(0, +) / n
    self.mean = mean
    variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    quantiles = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1].map { share in
      guard let last = sorted.indices.last else { return .nan }
      let place = share * Double(last)
      let low = sorted[Int(place)]
      return low + (sorted[min(last, Int(place) + 1)] - low) * (place - place.rounded(.down))
    }
  }
}

/// Pairs of a pool of negatives, named: `given`, `corpus`, `reranked`.
struct ScorePool {
  let name: String
  /// Ascending, in 0…1 if the model's scores can be normalised, else as the model gives them.
  let positives: [Double]
  let negatives: [Double]

  init(name: String, positives: [Double], negatives: [Double]) {
    self.name = name
    self.positives = positives.sorted()
    self.negatives = negatives.sorted()
  }

  var isEmpty: Bool { positives.isEmpty || negatives.isEmpty }
  var positive: Distribution { Distribution(sorted: positives) }
  var negative: Distribution { Distribution(sorted: negatives) }
  /// Mean of the positives minus mean of the negatives.
  var margin: Double { positive.mean - negative.mean }
  /// Of all scores: how much of the scale the model uses.
  var variance: Double { Distribution(sorted: positives + negatives).variance }

  /// Probability that a positive scores above a negative, ties counting half (Mann and Whitney 1947).
  var auc: Double {
    var below = 0
    var upTo = 0
    var wins = 0.0
    for score in positives {
      while below < negatives.count && negatives[below] < score { below += 1 }
      upTo = max(upTo, below)
      while upTo < negatives.count && negatives[upTo] <= score { upTo += 1 }
      wins += Double(below) + Double(upTo - below) / 2
    }
    return wins / Double(positives.count) / Double(negatives.count)
  }

  static func share(of sorted: [Double], atLeast threshold: Double) -> Double {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < threshold { low = middle + 1 } else { high = middle }
    }
    return Double(sorted.count - low) / Double(max(1, sorted.count))
  }

  /// Mean of the share of positives at or above the threshold and the share of negatives below it.
  func balancedAccuracy(_ threshold: Double) -> Double {
    (Self.share(of: positives, atLeast: threshold) + 1 - Self.share(of: negatives, atLeast: threshold)) / 2
  }

  /// The threshold of the best balanced accuracy (Youden 1950), halfway to the next negative below; the highest of equals.
  var bestThreshold: Double {
    let best = positives.max { (balancedAccuracy($0), $0) < (balancedAccuracy($1), $1) } ?? 0.5
    let below = negatives.count - Int((Self.share(of: negatives, atLeast: best) * Double(negatives.count)).rounded())
    return below > 0 ? (best + negatives[below - 1]) / 2 : best
  }
}
