/// The optimizer's passes over weights, in blocks of a length that does not depend on the number of threads.
import CKernels
import Tensors

extension CPU {
  package func adamW(_ moves: [AdamWMove], _ step: AdamWStep) {
    let stretches = Stretch.all(of: moves.map(\.weight.count))
    parallel(stretches.count) { piece, _ in
      let (stretch, move) = (stretches[piece], moves[stretches[piece].tensor])
      guard let gradient = move.weight.gradient else { preconditionFailure("\(move.weight.name) is frozen") }
      func place(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + stretch.start }
      retort_adamw(
        stretch.count, place(move.weight.value), place(move.first), place(move.second), place(gradient),
        retort_adamw_step(
          gradient_scale: step.gradientScale, decay: move.weight.decays ? step.decay : 1,
          beta1_complement: step.beta1Complement, beta2: step.beta2, beta2_complement: step.beta2Complement,
          rate: step.rate, second_bias_correction: step.secondBiasCorrection, epsilon: step.epsilon))
    }
    for move in moves { move.weight.changed() }
  }

  package func sumOfSquares(_ tensors: [Tensor]) -> Double {
    let stretches = Stretch.all(of: tensors.map(\.count))
    return [Double](unsafeUninitializedCapacity: stretches.count) { sums, count in
      for index in stretches.indices { sums[index] = 0 }
      let base = sums.baseAddress
      parallel(stretches.count) { piece, _ in
        let stretch = stretches[piece]
        base?[piece] = retort_sum_of_squares(stretch.count, tensors[stretch.tensor].floats + stretch.start)
      }
      count = stretches.count
    }.reduce(0, +)
  }
}

/// A part of one tensor.
private struct Stretch {
  let tensor: Int
  let start: Int
  let count: Int

  static func all(of counts: [Int], size: Int = 1 << 16) -> [Stretch] {
    counts.enumerated().flatMap { index, total in
      stride(from: 0, to: total, by: size).map {
        Stretch(tensor: index, start: $0, count: min(size, total - $0))
      }
    }
  }
}
