/// Means, deviations and the randomisation test against numpy and scipy (`generate/comparison.py`) and mathematics.
import Basics
import Foundation
import Lineage
import TestSupport
import Testing

private struct Golden: Decodable {
  struct Case: Decodable { var differences: [Double], p: Double }
  struct Values: Decodable { var values: [Double], mean: Double, deviation: Double }
  var exact: [Case]
  var drawn: [Case]
  var samples: [Values]

  init() throws {
    self = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: fixtures.appending(path: "lineage/comparison.json")))
  }
}

@Suite struct RandomisationTestTests {
  @Test func `up to 16 differences give the exact p of scipy`() throws {
    for golden in try Golden().exact {
      let test = RandomisationTest(differences: golden.differences)
      #expect(abs(test.p - golden.p) < 1e-12, "\(golden.differences)")
      #expect(test.isExact && test.pairs == golden.differences.count)
      #expect(test.differing == golden.differences.count { $0 != 0 })
    }
  }

  @Test func `n equal differences have p = 2 in 2ⁿ, a single one says nothing`() {
    for count in 1...16 {
      #expect(RandomisationTest(differences: Array(repeating: 0.25, count: count)).p == 2 / Double(1 << count))
    }
  }

  @Test(arguments: [1, 16, 17, 40])
  func `the largest numbers give the p of ones, what is not finite is left out`(count: Int) {
    let ones = (0..<count).map { $0 % 3 == 0 ? -1.0 : 1 }
    let expected = RandomisationTest(differences: ones)
    #expect(RandomisationTest(differences: ones.map { $0 * .greatestFiniteMagnitude }) == expected)
    #expect(RandomisationTest(differences: ones.map { $0 * .leastNonzeroMagnitude }) == expected)
    #expect(RandomisationTest(differences: ones + [.nan, .infinity, -.infinity]) == expected)
  }

  @Test func `more differences are drawn by lot, within four standard errors of the exact p`() throws {
    let draws = Double(RandomisationTest.draws)
    for golden in try Golden().drawn {
      let test = RandomisationTest(differences: golden.differences)
      #expect(!test.isExact)
      let error = (golden.p * (1 - golden.p) / draws).squareRoot() + 1 / draws
      #expect(abs(test.p - golden.p) < 4 * error, "\(test.p) instead of \(golden.p)")
    }
  }

  @Test func `p of draws is never 0, and the same every time`() {
    let differences = (1...40).map { 1 + Double($0) / 1000 }
    let test = RandomisationTest(differences: differences)
    #expect(test.p == 1 / Double(RandomisationTest.draws + 1))
    let close = differences.enumerated().map { $0 % 2 == 0 ? $1 : -$1 }
    #expect(RandomisationTest(differences: close) == RandomisationTest(differences: close))
    #expect(RandomisationTest(differences: close, seed: 2).p != RandomisationTest(differences: close).p)
  }

  @Test func `mean and sample deviation are numpy's, also far from zero`() throws {
    for golden in try Golden().samples {
      let sample = try #require(Sample(golden.values))
      #expect(abs(sample.mean - golden.mean) <= 1e-12 * golden.mean)
      #expect(abs(try #require(sample.deviation) - golden.deviation) <= 1e-9 * golden.deviation)
    }
    #expect(Sample([3])?.deviation == nil && Sample([]) == nil)
  }
}
