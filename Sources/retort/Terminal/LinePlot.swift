/// A small line plot as inline SVG: metric curves by step, one line a variant.
import Basics
import Escaping
import Foundation
import Lineage
import Reports

struct LinePlot {
  struct Line {
    var name: String
    /// A class of the page's style sheet: `s0` … `s7`, `rest`.
    var style: String
    var points: [MetricCurve.Point]
  }
  let title: String
  let lines: [Line]
  private static let (width, height) = (360.0, 200.0)
  private static let (left, right, top, bottom) = (52.0, 10.0, 8.0, 24.0)
  /// Longer curves are drawn as means of equal pieces.
  private static let mostPoints = 300

  /// `nil` if there is nothing to draw.
  var svg: String? {
    let lines = self.lines.map { line in
      let finite = line.points.compactMap { point in point.value.map { (Double(point.step), $0) } }
        .filter(\.1.isFinite)
      return (line, Self.thinned(finite))
    }
    let points = lines.flatMap(\.1)
    guard let steps = Axis(points.map(\.0), pad: 0), let values = Axis(points.map(\.1), pad: 0.05) else { return nil }
    func x(_ step: Double) -> Double { Self.left + steps.share(step) * (Self.width - Self.left - Self.right) }
    func y(_ value: Double) -> Double { Self.top + (1 - values.share(value)) * (Self.height - Self.top - Self.bottom) }
    var parts = [
      "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(Escape.html(title))\">"
    ]
    for tick in values.ticks(about: 4) {
      let place = short(y(tick))
      parts.append(
        "<line class=\"grid\" x1=\"\(short(Self.left))\" x2=\"\(short(Self.width - Self.right))\" y1=\"\(place)\" y2=\"\(place)\"/>"
      )
      parts.append(
        "<text x=\"\(short(Self.left - 6))\" y=\"\(place)\" dy=\"0.32em\" text-anchor=\"end\">\(number(tick))</text>")
    }
    for tick in steps.point.map({ [$0] }) ?? steps.ticks(about: 4) where tick == tick.rounded() {
      parts.append(
        "<text x=\"\(short(x(tick)))\" y=\"\(short(Self.height - 8))\" text-anchor=\"middle\">\(number(tick))</text>")
    }
    for (line, points) in lines where !points.isEmpty {
      let places = points.map { (short(x($0.0)), short(y($0.1))) }
      let path = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
      parts.append("<g class=\"\(line.style)\"><title>\(Escape.html(line.name))</title><polyline points=\"\(path)\"/>")
      // Dots that do not run into each other.
      let span = x(points[points.count - 1].0) - x(points[0].0)
      if points.count == 1 || span / Double(points.count - 1) >= 10 {
        parts += places.map { "<circle cx=\"\($0.0)\" cy=\"\($0.1)\" r=\"2.5\"/>" }
      }
      parts.append("</g>")
    }
    return parts.joined() + "</svg>"
  }

  /// Means of pieces of equally many points.
  private static func thinned(_ points: [(Double, Double)]) -> [(Double, Double)] {
    let size = (points.count + mostPoints - 1) / max(1, mostPoints)
    guard size > 1 else { return points }
    return stride(from: 0, to: points.count, by: size).map { start in
      let piece = points[start..<min(points.count, start + size)]
      return (mean(ofFinite: piece.map(\.0)), mean(ofFinite: piece.map(\.1)))
    }
  }
}

private func short(_ value: Double) -> String { String(format: "%.1f", value) }
private func number(_ value: Double) -> String { String(format: "%g", value + 0) }
