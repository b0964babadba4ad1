/// Draws numbers by lot, each once.

/// The numbers below a bound in an order that follows from the seed: Fisher and Yates's shuffle over a sparse
/// permutation, for the numbers may be many and the draws are few.
struct Lottery {
  private var random: SplitMix64
  private let count: Int
  private var moved: [Int: Int] = [:]
  private var step = 0

  init(_ count: Int, seed: UInt64, stream: Int) {
    self.count = count
    random = SplitMix64(seed: seed, stream: UInt64(stream))
  }

  /// `nil` when all have been drawn.
  mutating func next() -> Int? {
    guard step < count else { return nil }
    let other = step + random.below(count - step)
    let drawn = moved[other] ?? other
    moved[other] = moved[step] ?? step
    step += 1
    return drawn
  }
}
