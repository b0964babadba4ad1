/// Numbers as large, as small and as wrong as a Double can be, where they are drawn and printed.
import Foundation
import Testing

@testable import Lineage

@testable import Reports
@testable import retort

private let most = Double.greatestFiniteMagnitude

@Suite struct ExtremeNumberTests {
  static let curves: [[Double]] = [
    [0, .leastNonzeroMagnitude], [.leastNonzeroMagnitude, .leastNonzeroMagnitude],
    [-Double.leastNonzeroMagnitude, .leastNonzeroMagnitude], [0, 0x1p-1030], [most, -most], [most, most], [0, most],
    [.infinity, 1, 2], [-.infinity, .nan, 1], [1, 1 + 2.3e-16], [9_007_199_254_740_992, 9_007_199_254_740_994],
    [0x1p1000, 0x1p1000 * (1 + 2.3e-16)], [0],
  ]

  @Test(arguments: curves, [[0, 1, 2], [Int.min, Int.max - 1, Int.max], [Int.max, Int.max, Int.max]])
  func `any curve is drawn inside the picture`(values: [Double], steps: [Int]) throws {
    let points = zip(steps, values).map { MetricCurve.Point(step: $0, value: $1) }
    let svg = try #require(LinePlot(title: "t", lines: [.init(name: "n", style: "s0", points: points)]).svg)
    #expect(!svg.contains("nan") && !svg.contains("inf"), "\(svg)")
    for number in svg.matches(of: /\ (?:cx|cy|x|y|x1|y1)="([^"]*)"/) {
      #expect((-1e-9...360).contains(try #require(Double(number.1))), "\(svg)")
    }
  }

  @Test func `a curve of nothing finite is not drawn`() {
    let points = [Double.nan, .infinity].map { MetricCurve.Point(step: 0, value: $0) }
    #expect(LinePlot(title: "t", lines: [.init(name: "n", style: "s0", points: points)]).svg == nil)
  }

  @Test func `a long curve of the largest numbers is drawn by its means`() throws {
    let points = (0..<900).map { MetricCurve.Point(step: $0, value: most) }
    let svg = try #require(LinePlot(title: "t", lines: [.init(name: "n", style: "s0", points: points)]).svg)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }

  @Test(arguments: curves) func `any axis has some ticks, in order and on it`(values: [Double]) throws {
    let axis = try #require(Axis(values.filter(\.isFinite), pad: 0.05))
    let ticks = axis.ticks(about: 4)
    #expect((1...16).contains(ticks.count) && ticks == ticks.sorted(), "\(ticks)")
    #expect(ticks.allSatisfy { (-1e-9...1 + 1e-9).contains(axis.share($0)) }, "\(ticks)")
  }

  @Test func `round ticks lie where they did`() throws {
    #expect(try #require(Axis([0, 10], pad: 0)).ticks(about: 4) == [0, 5, 10])
    #expect(try #require(Axis([-3, 3], pad: 0)).ticks(about: 4) == [-2, 0, 2])
  }

  @Test(
    arguments: [
      (.nan, "unknown"), (.infinity, "unknown"), (1e300, "2.8e+296 h"), (3600, "1 h 00 min"), (61, "1 min 01 s"),
      (-5, "-5.0 s"), (9.3e18, "2.6e+15 h"),
    ] as [(Double, String)])
  func `any time can be read`(seconds: Double, text: String) { #expect(formatted(seconds: seconds) == text) }

  @Test(
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9.3e18, "9.3 EB"), (.nan, "unknown"), (.infinity, "unknown"),
      (1e300, "unknown"),
    ] as [(Double, String)])
  func `any size can be read`(bytes: Double, text: String) { #expect(formatted(bytes: bytes) == text) }

  @Test(
    arguments: [
      (most, "1.79769e+308"), (-most, "-1.79769e+308"), (.leastNonzeroMagnitude, "0.0000"), (.infinity, "inf"),
      (.nan, "nan"),
    ]
      as [(Double, String)])
  func `any metric can be read`(value: Double, text: String) { #expect(formatted(metric: value) == text) }

  @Test(
    arguments: [[0, .leastNonzeroMagnitude], [-most, most], [most, most, -most], [.nan, 1, .infinity]] as [[Double]])
  func `any series has a sparkline of as many signs as values`(values: [Double]) {
    let series = RunSnapshot.Stage.Series("loss", values)
    #expect(series.sparkline.count == values.count)
    #expect(series.values.allSatisfy { $0?.isFinite ?? true })
  }
}
