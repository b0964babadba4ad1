/// Maps from raw scores to 0…1, and how they are fitted.
import Basics
import Foundation
import JSONText

enum Normalization: Sendable, Hashable {
  /// (s + 1)/2: cosine 0 becomes 0.5.
  case shift
  /// (s − min)/(max − min), cut to 0…1.
  case minmax(min: Double, max: Double)
  /// Φ((s − mean)/deviation), Φ the normal distribution: the share of a normal population that scores lower.
  case zscore(mean: Double, deviation: Double)
  /// σ(a·s + b).
  case calibrated(a: Double, b: Double)

  func callAsFunction(_ score: Double) -> Double {
    switch self {
    case .shift: (score + 1) / 2
    case .minmax(let low, let high): min(1, max(0, (score - low) / (high - low)))
    case .zscore(let mean, let deviation): erfc(-(score - mean) / deviation / 2.0.squareRoot()) / 2
    case .calibrated(let a, let b): logistic(a * score + b)
    }
  }

  /// From the scores of all pairs. Throws if they are all the same.
  static func fittedMinmax(_ scores: [Double]) throws -> Normalization {
    guard let low = scores.min(), let high = scores.max(), high > low else {
      throw StageInputError("all validation scores are equal: there is no scale to fit")
    }
    return .minmax(min: low, max: high)
  }

  static func fittedZscore(_ scores: [Double]) throws -> Normalization {
    let distribution = Distribution(sorted: scores.sorted())
    guard distribution.variance > 0 else {
      throw StageInputError("all validation scores are equal: there is no scale to fit")
    }
    return .zscore(mean: distribution.mean, deviation: distribution.variance.squareRoot())
  }

  /// Maximum likelihood of σ(a·s + b) with Platt's smoothed targets (N₊+1)/(N₊+2) and 1/(N₋+2) (Platt 1999), by
  /// Newton's method with step halving (Lin, Lin and Weng 2007).
  /// - Parameter balanced: all negatives together weigh as much as all positives, so that 0.5 means “as likely as not”
  ///   whatever the number of negatives of a query.
  static func fittedSigmoid(positives: [Double], negatives: [Double], balanced: Bool) throws -> Normalization {
    guard !positives.isEmpty, !negatives.isEmpty else {
      throw StageInputError("calibration needs validation pairs of both kinds, positives and negatives")
    }
    let high = (Double(positives.count) + 1) / (Double(positives.count) + 2)
    let low = 1 / (Double(negatives.count) + 2)
    let share = balanced ? Double(positives.count) / Double(negatives.count) : 1
    let pairs =
      positives.map { (score: $0, target: high, weight: 1.0) }
      + negatives.map { (score: $0, target: low, weight: share) }
    /// −Σ t·ln p + (1 − t)·ln(1 − p), in a form that does not overflow.
    func loss(_ a: Double, _ b: Double) -> Double {
      pairs.reduce(0) { sum, pair in
        let z = a * pair.score + b
        return sum + pair.weight * (max(z, 0) - z * pair.target + log1p(exp(-abs(z))))
      }
    }
    var (a, b) = (0.0, log((Double(positives.count) + 1) / (Double(negatives.count) * share + 1)))
    var value = loss(a, b)
    for _ in 0..<100 {
      var (haa, hab, hbb, ga, gb) = (1e-12, 0.0, 1e-12, 0.0, 0.0)
      for (score, target, weight) in pairs {
        let p = logistic(a * score + b)
        let curvature = weight * p * (1 - p)
        haa += score * score * curvature
        hab += score * curvature
        hbb += curvature
        ga += weight * (p - target) * score
        gb += weight * (p - target)
      }
      if abs(ga) < 1e-9 * Double(pairs.count), abs(gb) < 1e-9 * Double(pairs.count) { break }
      let determinant = haa * hbb - hab * hab
      let stepA = -(hbb * ga - hab * gb) / determinant
      let stepB = -(haa * gb - hab * ga) / determinant
      var size = 1.0
      while size > 1e-10, loss(a + size * stepA, b + size * stepB) >= value { size /= 2 }
      guard size > 1e-10 else { break }
      (a, b) = (a + size * stepA, b + size * stepB)
      value = loss(a, b)
    }
    return .calibrated(a: a, b: b)
  }

  /// The map's constants by name.
  var constants: [JSONMember] {
    switch self {
    case .shift: []
    case .minmax(let low, let high): [JSONMember("min", .double(low)), JSONMember("max", .double(high))]
    case .zscore(let mean, let deviation): [JSONMember("mean", .double(mean)), JSONMember("std", .double(deviation))]
    case .calibrated(let a, let b): [JSONMember("a", .double(a)), JSONMember("b", .double(b))]
    }
  }
}
