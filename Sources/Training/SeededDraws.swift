/// Orders and draws that follow from a seed alone: nothing of them needs to be saved to resume.
import Basics
import Tensors

/// Counter-based random numbers (Philox) for everything that is chosen by lot.
package struct SeededDraws: Sendable {
  private let seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  /// What a draw is for; draws for different purposes have nothing to do with each other.
  private enum Purpose: UInt32 { case sample = 1, order, candidates, negatives, mixing, completions, tokens }

  /// Every number below `count` once, in an order of the epoch's own.
  package func order(of count: Int, epoch: Int, set: Int = 0) -> [Int] {
    draw(count, of: count, Stream(seed, .order, epoch, set))
  }

  /// The same for the batches of several data sets.
  func mixture(of batches: Int, epoch: Int) -> [Int] { draw(batches, of: batches, Stream(seed, .mixing, epoch, 0)) }

  /// `size` different numbers below `count`, ascending; all of them where there are not more.
  package func sample(_ size: Int, of count: Int) -> [Int] {
    size >= count ? Array(0..<count) : draw(size, of: count, Stream(seed, .sample, 0, 0)).sorted()
  }

  /// At most `size` different numbers below `count`, in an order of the query's own.
  package func negatives(_ size: Int, of count: Int, query: Int) -> [Int] {
    draw(min(size, count), of: count, Stream(seed, .negatives, 0, query))
  }

  /// One number below `positives`, and `negatives` different ones below `available`.
  func candidates(positives: Int, negatives: Int, available: Int, epoch: Int, query: Int) -> (Int, [Int]) {
    var stream = Stream(seed, .candidates, epoch, query)
    return (stream.next(below: positives), draw(negatives, of: available, stream))
  }

  /// The seed of a prompt's completions in an epoch, where it may be asked several times.
  package func completion(epoch: Int, prompt: Int, round: Int) -> UInt64 {
    let counter = (UInt32(round), UInt32(prompt), UInt32(epoch), Purpose.completions.rawValue)
    let words = Philox.words(counter: counter, key: seed)
    return UInt64(words[1]) << 32 | UInt64(words[0])
  }

  /// A number in [0, 1) for a token of one of a prompt's completions, whose seed this is.
  func token(sample: Int, position: Int) -> Double {
    let counter = (UInt32(position), UInt32(sample), 0 as UInt32, Purpose.tokens.rawValue)
    let words = Philox.words(counter: counter, key: seed)
    return Double((UInt64(words[1]) << 32 | UInt64(words[0])) >> 11) * 0x1p-53
  }

  private func draw(_ size: Int, of count: Int, _ stream: Stream) -> [Int] {
    Array(Lottery(count, stream).prefix(size))
  }

  /// Numbers number 0, 1, 2, … of one purpose, epoch and query.
  private struct Stream: NumberSource {
    private let seed: UInt64
    private let purpose: Purpose
    private let epoch, query: UInt32
    private var index: UInt32 = 0

    init(_ seed: UInt64, _ purpose: Purpose, _ epoch: Int, _ query: Int) {
      (self.seed, self.purpose) = (seed, purpose)
      (self.epoch, self.query) = (UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: query))
    }

    /// Even over 0 ..< bound up to bound/2⁶⁴.
    mutating func next(below bound: Int) -> Int {
      let words = Philox.words(counter: (index, query, epoch, purpose.rawValue), key: seed)
      index += 1
      let random = UInt64(words[1]) << 32 | UInt64(words[0])
      return Int(random.multipliedFullWidth(by: UInt64(bound)).high)
    }
  }
}
