/// Orders that depend on a seed and nothing else.

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so nothing of it is ever saved.
struct SplitMix64 {
  private var state: UInt64

  /// Seeds of one stage that differ in `stream` give independent sequences.
  init(seed: UInt64, stream: UInt64 = 0) {
    state = seed
    state = next() ^ stream &* 0xD1B5_4A32_D192_ED03
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in 0..<bound (Lemire 2019).
  mutating func below(_ bound: Int) -> Int {
    let bound = UInt64(bound)
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }
}

extension Array {
  /// Fisher and Yates's shuffle.
  func shuffled(seed: UInt64, stream: UInt64 = 0) -> [Element] {
    var random = SplitMix64(seed: seed, stream: stream)
    var result = self
    for last in stride(from: count - 1, to: 0, by: -1) { result.swapAt(last, random.below(last + 1)) }
    return result
  }
}
