/// Arithmetic with numbers that others wrote: any Double, the largest and the least included.
import Foundation

extension Int {
  /// The whole number nearest to `value` towards zero that an Int can be; 0 for what is not a number.
  package init(saturating value: Double) {
    // The largest Int is no Double: the next one below is 2⁶³ − 1024.
    self = value.isNaN ? 0 : value >= 0x1p63 ? .max : value < -0x1p63 ? .min : Int(value)
  }
}

/// The mean of values that are finite, which no sum leads beyond them; not a number if there are none.
package func mean(ofFinite values: some Collection<Double>) -> Double {
  let sum = values.reduce(0, +)
  if sum.isFinite { return sum / Double(values.count) }
  return values.reduce(0) { $0 + $1 / Double(values.count) }
}

/// 1 / (1 + e⁻ˣ) from an exponential that cannot overflow: what losses compute with.
package func sigmoid(_ x: Double) -> Double {
  let small = exp(-abs(x))
  return x >= 0 ? 1 / (1 + small) : small / (1 + small)
}

/// 1 / (1 + e⁻ˣ) as it is written: what stages' outputs hold. Below zero every third value differs from `sigmoid`'s in
/// the last bit, so that neither can stand for the other without a new revision of what it computes.
package func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

extension Duration {
  package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension Double {
  /// Seconds to the millisecond, as times are recorded; what differences of them add is noise.
  package var toMilliseconds: Double { (self * 1000).rounded() / 1000 }
}
