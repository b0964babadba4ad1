/// How far apart a model puts the positive and the negative of triplets, row by row.
import Foundation
import JSONText

/// Normalised scores, s̃ = (cos + 1)/2. The figures are those of the program that this evaluation replaces, under its
/// names: means and population deviations of positives, negatives and of their differences, and as `uniformity` the
/// population variance of positives, of negatives, and of both together.
struct TripletScores {
  /// In the data's order.
  let positives: [Double]
  let negatives: [Double]
  let margins: [Double]

  init(positives: [Double], negatives: [Double]) {
    self.positives = positives
    self.negatives = negatives
    margins = zip(positives, negatives).map { $0 - $1 }
  }

  var variances: (positives: Double, negatives: Double, both: Double) {
    (spread(positives).variance, spread(negatives).variance, spread(positives + negatives).variance)
  }

  var json: [JSONMember] {
    let variances = variances
    let means = [
      ("pos_cosine_similarity", spread(positives)), ("neg_cosine_similarity", spread(negatives)),
      ("margin", spread(margins)),
    ]
    return means.flatMap { name, values in
      [
        JSONMember("\(name)_mean", .double(values.mean)),
        JSONMember("\(name)_std", .double(values.variance.squareRoot())),
      ]
    } + [
      JSONMember("pos_uniformity", .double(variances.positives)),
      JSONMember("neg_uniformity", .double(variances.negatives)),
      JSONMember("overall_uniformity", .double(variances.both)), JSONMember("total_samples", .int(positives.count)),
    ]
  }

  private func spread(_ values: [Double]) -> Distribution { Distribution(sorted: values.sorted()) }
}

/// The first row, to look at.
struct TripletSample {
  let query: String
  let positive: String
  let negative: String
  /// Cosines.
  let scores: (positive: Float, negative: Float)

  var json: JSONValue {
    [
      "anchor": .string(query), "positive": side(positive, scores.positive),
      "negative": side(negative, scores.negative),
    ]
  }

  private func side(_ text: String, _ score: Float) -> JSONValue {
    ["text": .string(text), "raw": .float(score), "normalized": .double(ScoreScale.cosine.normalize(score))]
  }

  var report: String {
    func shown(_ score: Float) -> String {
      "\(decimal(Double(score))) raw, \(decimal(ScoreScale.cosine.normalize(score))) normalised"
    }
    return "the first row: positive \(shown(scores.positive)) | negative \(shown(scores.negative))"
  }
}
