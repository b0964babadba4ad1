/// An axis of a plot: what it spans, where a value lies on it, and round numbers to write beside it.
import Foundation

/// Spans any finite numbers: those whose distance is beyond a Double, or too small to be divided, included.
package struct Axis {
  /// Where all values are the same.
  package let point: Double?
  private let low: Double
  private let high: Double
  /// Beyond it, distances would not be finite.
  private static let most = Double.greatestFiniteMagnitude / 4
  /// Below it, and below this share of the numbers themselves, distances are none: their parts have no digits left.
  private static let (least, leastShare) = (1e-300, 1e-12)

  /// - Parameters:
  ///   - pad: left free at both ends, as a share of what the values span.
  /// - Returns: `nil` if there are no values.
  package init?(_ values: [Double], pad: Double) {
    guard let least = values.min(), let most = values.max() else { return nil }
    let (start, end) = (Self.bounded(least), Self.bounded(most))
    let isPoint = end - start < Swift.max(Self.least, Swift.max(abs(start), abs(end)) * Self.leastShare)
    let room = isPoint ? Swift.max(abs(start) * 0.1, 1e-3) : (end - start) * pad
    (low, high) = (start - room, end + room)
    point = isPoint ? start : nil
  }

  /// From 0 at the low end to 1 at the high end.
  package func share(_ value: Double) -> Double { (Self.bounded(value) - low) / (high - low) }

  /// Round numbers on the axis: multiples of 1, 2 or 5 times a power of ten.
  package func ticks(about count: Int) -> [Double] {
    let rough = (high - low) / Double(count)
    let power = pow(10, floor(log10(rough)))
    let step = power * ([1.0, 2, 5, 10].first { $0 * power >= rough } ?? 10)
    let (first, last) = ((low / step).rounded(.up), (high / step).rounded(.down))
    // A step is no less than a part of the axis, so there are few of them, but for rounding.
    return stride(from: first, through: last, by: 1).prefix(4 * count).map { $0 * step }
  }

  private static func bounded(_ value: Double) -> Double { min(max(value, -most), most) }
}
