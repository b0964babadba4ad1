/// Welch's t-test against closed forms of Student's distribution, and what cannot be tested.
import Foundation
@testable import Lineage
import Testing

@Suite struct WelchTestTests {
  private func sample(_ values: Double...) throws -> Sample { try #require(Sample(values)) }
  private let tolerance = 1e-13  // largest error of the continued fraction seen against the closed forms below

  @Test(arguments: [0.0, 1e-3, 0.5, 1, 2, 12.7, 1e3, 1e8]) func `tails of one and two degrees have closed forms`(
    t: Double
  ) {
    #expect(abs(studentTails(t, degrees: 1) - (1 - 2 * atan(t) / .pi)) < tolerance)
    #expect(abs(studentTails(-t, degrees: 2) - (1 - t / (2 + t * t).squareRoot())) < tolerance)
    // ν = 4: 1 − t(t² + 6)/(t² + 4)^{3/2}
    #expect(abs(studentTails(t, degrees: 4) - (1 - t * (t * t + 6) / pow(t * t + 4, 1.5))) < tolerance)
  }

  @Test func `tails of very many degrees are those of a normal distribution`() {
    for t in [0.5, 1, 1.96, 3] { #expect(abs(studentTails(t, degrees: 1e7) - erfc(t / 2.0.squareRoot())) < 1e-6) }
  }

  @Test func `samples of equal size and spread have the pooled test's degrees and t`() throws {
    // Variance 1 each: t = 2/√(1/3 + 1/3), ν = 2(n − 1) = 4.
    let test = try #require(WelchTest(sample(1, 2, 3), sample(3, 4, 5)))
    #expect(abs(test.t - 6.0.squareRoot()) < 1e-12 && abs(test.degrees - 4) < 1e-12)
    #expect(abs(test.p - studentTails(test.t, degrees: 4)) < 1e-15)
  }

  @Test func `a sample without spread leaves the other's degrees`() throws {
    let test = try #require(WelchTest(sample(1, 2, 3, 4), sample(5, 5, 5)))
    #expect(abs(test.degrees - 3) < 1e-12)
  }

  @Test func `two draws, or draws without any spread, are no test`() throws {
    #expect(try WelchTest(sample(1, 2), sample(3, 4, 5)) == nil)
    #expect(try WelchTest(sample(1, 1, 1), sample(2, 2, 2)) == nil)
    #expect(try WelchTest(sample(1, .infinity, 1), sample(2, 2, 3)) == nil)
  }

  @Test(arguments: [0.1, 0.7, 0.63, 1.0 / 3], [3, 6, 7]) func `equal values have that mean and no deviation`(
    value: Double, count: Int
  ) throws {
    // A sum of 0.7 three times and six times, divided by as many, is off by a rounding each, in opposite directions.
    let sample = try #require(Sample([Double](repeating: value, count: count)))
    #expect(sample.mean == value && sample.deviation == 0)
  }

  @Test func `the same values have the same mean in whichever order they come`() throws {
    #expect(try sample(0.1, 0.2, 0.3).mean == sample(0.3, 0.2, 0.1).mean)
  }
}
