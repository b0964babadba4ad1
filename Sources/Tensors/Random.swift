/// Counter-based random numbers (Philox4x32-10): they follow from seed and position, so nothing needs to be saved.
import CKernels

/// 64 random bits.
func philox(seed: UInt64, counter: UInt64) -> UInt64 {
  let key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)]
  var words: [UInt32] = [0, 0, 0, 0]
  retort_philox([UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0], key, &words)
  return UInt64(words[0]) | UInt64(words[1]) << 32
}

extension Engine {
  /// Uniform numbers, the same for the same seed and stream.
  package func uniform(_ shape: [Int], _ range: Range<Float>, seed: UInt64, stream: UInt64) -> Tensor {
    let tensor = uninitialized(shape)
    retort_uniform(seed, stream, range.lowerBound, range.upperBound, tensor.floats, tensor.count)
    return tensor
  }

  /// Normal numbers with mean 0, the same for the same seed and stream.
  package func normal(_ shape: [Int], deviation: Float, seed: UInt64, stream: UInt64) -> Tensor {
    let tensor = uninitialized(shape)
    retort_normal(seed, stream, deviation, tensor.floats, tensor.count)
    return tensor
  }
}
