/// Welch's t-test of two samples whose variances may differ: could two settings, drawn with several seeds each, be alike?
///
/// B. L. Welch, The generalization of “Student's” problem when several different population variances are involved,
/// Biometrika 34 (1947). The randomisation test of queries takes the models as given; this one asks whether the next seed
/// would say the same. A permutation of three seeds against three has 20 outcomes and so never a p below 0.1, which is why
/// this is a t-test, for all that it takes figures of seeds to be normally distributed.
import Foundation

package struct WelchTest: Codable, Sendable, Hashable {
  /// Two-sided.
  package var p: Double
  package var t: Double
  /// The degrees of freedom by Welch and Satterthwaite, which need not be whole.
  package var degrees: Double

  /// So many of each: two draws say next to nothing of their spread.
  package static let leastCount = 3

  /// `nil` where a sample has fewer than three values, or none of them spreads.
  package init?(_ left: Sample, _ right: Sample) {
    guard let leftDeviation = left.deviation, let rightDeviation = right.deviation,
      min(left.count, right.count) >= Self.leastCount
    else { return nil }
    let shares = [(leftDeviation, left.count), (rightDeviation, right.count)].map { $0 * $0 / Double($1) }
    let error = shares[0] + shares[1]
    guard error > 0, error.isFinite, (right.mean - left.mean).isFinite else { return nil }
    t = (right.mean - left.mean) / error.squareRoot()
    // As shares of their sum, whose squares no Double is too small for.
    let (first, second) = (shares[0] / error, shares[1] / error)
    degrees = 1 / (first * first / Double(left.count - 1) + second * second / Double(right.count - 1))
    p = studentTails(t, degrees: degrees)
  }
}

/// The probability that Student's t lies at least as far from zero: I_x(ν/2, ½) at x = ν/(ν + t²).
func studentTails(_ t: Double, degrees: Double) -> Double {
  incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction: NIST Handbook of Mathematical Functions,
/// 8.17.22, evaluated by Lentz's method.
private func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
  guard x > 0 else { return 0 }
  guard x < 1 else { return 1 }
  // The fraction converges fast below the mean; beyond, the other tail is taken.
  if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
  let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
  let tiny = 1e-300
  var (fraction, c, d) = (1.0, 1.0, 0.0)
  for step in 0..<500 {
    let m = Double(step / 2)
    let term =
      step == 0
      ? 1
      : step % 2 == 0
        ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 + term * d
    d = 1 / (abs(d) < tiny ? tiny : d)
    c = 1 + term / c
    if abs(c) < tiny { c = tiny }
    fraction *= c * d
    if step > 0, abs(c * d - 1) < 1e-15 { break }
  }
  return front * (fraction - 1)
}
