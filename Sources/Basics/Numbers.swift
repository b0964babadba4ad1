/// Arithmetic with numbers that others wrote: any Double, the largest and the least included.

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

extension Double {
  /// Seconds to the millisecond, as times are recorded; what differences of them add is noise.
  package var toMilliseconds: Double { (self * 1000).rounded() / 1000 }
}
