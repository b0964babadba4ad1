/// The Fisher–Pitman randomisation test of paired differences: if two systems were alike, each query's difference could
/// as well have had the other sign.
///
/// R. A. Fisher, The Design of Experiments (1935), §21; E. J. G. Pitman, Significance tests which may be applied to
/// samples from any populations, J. R. Stat. Soc. Suppl. 4 (1937). For retrieval: M. Smucker, J. Allan, B. Carterette,
/// A comparison of statistical significance tests for information retrieval evaluation, CIKM 2007.

package struct RandomisationTest: Codable, Sendable, Hashable {
  /// Two-sided: how probable a mean difference at least this far from zero is if signs are chance; never 0.
  package var p: Double
  /// Pairs that were compared; those whose difference is not finite are not.
  package var pairs: Int
  /// Those whose values differ; the others say nothing.
  package var differing: Int
  /// Whether every choice of signs was tried, not a sample of them.
  package var isExact: Bool

  /// All 2ⁿ choices of signs are tried for up to so many differences.
  package static let exactLimit = 16
  /// Beyond, so many draws. The standard error of p is at most √(¼/10,000) = 0.005.
  package static let draws = 10_000

  /// - Parameters:
  ///   - differences: one a query; their order decides which draws are made.
  ///   - seed: of the draws.
  package init(differences: [Double], seed: UInt64 = 1) {
    // Where no Double holds the sum of numbers so large, their shares serve as well: p depends on nothing else.
    let finite = differences.filter(\.isFinite)
    let largest = finite.reduce(0) { max($0, abs($1)) }
    let isSummable = finite.reduce(0) { $0 + abs($1) }.isFinite
    let values = finite.filter { $0 != 0 }.map { isSummable ? $0 : $0 / largest }
    // Sums of the same numbers in another order differ by rounding, and count as equal.
    let tolerance = 1e-12 * values.reduce(0) { $0 + abs($1) }
    let observed = abs(values.reduce(0, +)) - tolerance
    pairs = finite.count
    differing = values.count
    isExact = values.count <= Self.exactLimit
    if isExact {
      // The observed choice is one of all, so p cannot be 0. The first sign stays: the other half is the mirror image.
      let choices = 1 << max(0, values.count - 1)
      var extreme = 0
      for choice in 0..<choices {
        var sum = 0.0
        for (place, value) in values.enumerated() { sum += choice >> place & 1 == 0 ? value : -value }
        if abs(sum) >= observed { extreme += 1 }
      }
      p = Double(extreme) / Double(choices)
    } else {
      var generator = SplitMix64(state: seed)
      var extreme = 0
      for _ in 0..<Self.draws {
        var (sum, bits) = (0.0, UInt64(0))
        for (place, value) in values.enumerated() {
          if place % 64 == 0 { bits = generator.next() }
          sum += bits & 1 == 0 ? value : -value
          bits >>= 1
        }
        if abs(sum) >= observed { extreme += 1 }
      }
      // The observed choice counts as one more draw: B. Phipson and G. K. Smyth, Permutation p-values should never be
      // zero, Stat. Appl. Genet. Mol. Biol. 9 (2010).
      p = Double(extreme + 1) / Double(Self.draws + 1)
    }
  }
}
