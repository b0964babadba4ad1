/// Orders and draws that follow from a seed and nothing else.

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014): a
/// counter and a mixing function, so nothing of it is ever saved.
package struct SplitMix64: RandomNumberGenerator, NumberSource {
  private var state: UInt64

  package init(state: UInt64) { self.state = state }

  /// Seeds of one stage that differ in `stream` give independent sequences.
  package init(seed: UInt64, stream: UInt64 = 0) {
    state = seed
    state = next() ^ stream &* 0xD1B5_4A32_D192_ED03
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return bits ^ bits >> 31
  }

  /// Uniform in 0 ..< bound (Lemire 2019).
  package mutating func next(below bound: Int) -> Int {
    let bound = UInt64(bound)
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }
}

/// Whole numbers below a bound that changes from one to the next.
package protocol NumberSource {
  mutating func next(below bound: Int) -> Int
}

/// The numbers below a bound by lot, each once: Fisher and Yates's shuffle over a sparse permutation, for the numbers
/// may be many and the draws few.
package struct Lottery<Source: NumberSource>: Sequence, IteratorProtocol {
  private var source: Source
  private let count: Int
  private var moved: [Int: Int] = [:]
  private var step = 0

  package init(_ count: Int, _ source: Source) {
    self.count = count
    self.source = source
  }

  /// `nil` when all have been drawn.
  package mutating func next() -> Int? {
    guard step < count else { return nil }
    let other = step + source.next(below: count - step)
    let drawn = moved[other] ?? other
    moved[other] = moved.removeValue(forKey: step) ?? step
    step += 1
    return drawn
  }
}

extension Array {
  /// Fisher and Yates's shuffle, from the last place on.
  package func shuffled(seed: UInt64, stream: UInt64 = 0) -> [Element] {
    var random = SplitMix64(seed: seed, stream: stream)
    var result = self
    for last in stride(from: count - 1, to: 0, by: -1) { result.swapAt(last, random.next(below: last + 1)) }
    return result
  }
}
