/// Counter-based random numbers, Philox4x32-10 (Salmon et al. 2011): they follow from seed and position, so nothing needs
/// to be saved.
import Foundation

package enum Philox {
  /// The four words of one counter.
  package static func words(counter: (UInt32, UInt32, UInt32, UInt32), key: UInt64) -> SIMD4<UInt32> {
    var (a, b, c, d) = counter
    var (k0, k1) = (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    for _ in 0..<10 {
      let (left, right) = (a.multipliedFullWidth(by: 0xD251_1F53), c.multipliedFullWidth(by: 0xCD9E_8D57))
      (a, b, c, d) = (right.high ^ b ^ k0, right.low, left.high ^ d ^ k1, left.low)
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return SIMD4(a, b, c, d)
  }

  /// 64 random bits.
  static func bits(seed: UInt64, counter: UInt64) -> UInt64 {
    let words = words(
      counter: (UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0), key: seed)
    return UInt64(words[0]) | UInt64(words[1]) << 32
  }

  /// Numbers of a stream of a seed, four of a counter.
  private static func numbers(
    _ count: Int, seed: UInt64, stream: UInt64, _ number: (SIMD4<UInt32>, _ place: Int) -> Float
  ) -> [Float] {
    let (low, high) = (UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    return [Float](unsafeUninitializedCapacity: count) { numbers, filled in
      var words = SIMD4<UInt32>()
      for index in 0..<count {
        if index % 4 == 0 {
          let block = UInt64(index / 4)
          words = Self.words(
            counter: (UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), low, high), key: seed)
        }
        numbers[index] = number(words, index % 4)
      }
      filled = count
    }
  }

  static func uniform(_ count: Int, _ range: Range<Float>, seed: UInt64, stream: UInt64) -> [Float] {
    let (low, high) = (range.lowerBound, range.upperBound)
    return numbers(count, seed: seed, stream: stream) { words, place in
      low + (high - low) * (Float(words[place] >> 8) * 0x1p-24)
    }
  }

  /// Mean 0; Box–Muller in double.
  static func normal(_ count: Int, deviation: Float, seed: UInt64, stream: UInt64) -> [Float] {
    numbers(count, seed: seed, stream: stream) { words, place in
      let first = (Double(words[place & 2]) + 1) * 0x1p-32
      let angle = 6.283185307179586 * Double(words[(place & 2) + 1]) * 0x1p-32
      let radius = (-2 * log(first)).squareRoot() * Double(deviation)
      return Float(radius * (place % 2 == 1 ? sin(angle) : cos(angle)))
    }
  }
}

extension Device {
  /// Uniform numbers, the same for the same seed and stream.
  package func uniform(_ shape: [Int], _ range: Range<Float>, seed: UInt64, stream: UInt64) -> Tensor {
    tensor(Philox.uniform(shape.reduce(1, *), range, seed: seed, stream: stream), shape)
  }

  /// Normal numbers with mean 0, the same for the same seed and stream.
  package func normal(_ shape: [Int], deviation: Float, seed: UInt64, stream: UInt64) -> Tensor {
    tensor(Philox.normal(shape.reduce(1, *), deviation: deviation, seed: seed, stream: stream), shape)
  }
}
