/// AdamW, and the norm of gradients that clipping needs.
import CKernels
import Foundation
import Tensors

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019) as `torch.optim.AdamW` computes it: bias-corrected
/// moments, ε outside the root, no decay of biases and norms.
package struct AdamW: Sendable {
  package var beta1 = 0.9
  package var beta2 = 0.999
  package var epsilon = 1e-8
  package var weightDecay = 0.01

  package init() {}

  /// Running means of the gradients and of their squares, one tensor for each trainable weight.
  package struct Moments {
    /// Steps taken.
    package var step = 0
    package var first: [Tensor]
    package var second: [Tensor]

    package init(of weights: [Weight], engine: Engine) {
      first = weights.map { engine.zeros($0.value.shape) }
      second = weights.map { engine.zeros($0.value.shape) }
    }
  }

  /// Moves every weight against its gradient times `gradientScale`.
  package func step(
    _ weights: [Weight], _ moments: inout Moments, rate: Double, gradientScale: Double, engine: Engine
  ) {
    moments.step += 1
    let count = Double(moments.step)
    let (first, second) = (moments.first, moments.second)
    let blocks = Block.all(of: weights)
    engine.parallel(blocks.count) { piece, _ in
      let block = blocks[piece]
      let weight = weights[block.weight]
      retort_adamw(
        block.count, weight.value.floats + block.start, first[block.weight].floats + block.start,
        second[block.weight].floats + block.start, weight.gradient!.floats + block.start,
        retort_adamw_step(
          gradient_scale: Float(gradientScale),
          decay: weight.decays ? Float(1 - rate * weightDecay) : 1,
          beta1_complement: Float(1 - beta1), beta2: Float(beta2), beta2_complement: Float(1 - beta2),
          rate: Float(rate / (1 - pow(beta1, count))),
          second_bias_correction: Float((1 - pow(beta2, count)).squareRoot()), epsilon: Float(epsilon)))
    }
  }
}

/// √Σ g² over all gradients; not finite as soon as one of them is not.
func gradientNorm(_ weights: [Weight], engine: Engine) -> Double {
  let blocks = Block.all(of: weights)
  return [Double](unsafeUninitializedCapacity: blocks.count) { sums, count in
    let base = sums.baseAddress
    engine.parallel(blocks.count) { piece, _ in
      let block = blocks[piece]
      base?[piece] = retort_sum_of_squares(block.count, weights[block.weight].gradient!.floats + block.start)
    }
    count = blocks.count
  }.reduce(0, +).squareRoot()
}

/// The factor that brings gradients of `norm` down to `limit`, as `torch.nn.utils.clip_grad_norm_`; 0 is no limit.
func clippingFactor(norm: Double, limit: Double) -> Double { limit > 0 ? min(1, limit / (norm + 1e-6)) : 1 }

/// A stretch of one weight, of a length that does not depend on the number of threads.
private struct Block {
  let weight: Int
  let start: Int
  let count: Int

  static func all(of weights: [Weight], size: Int = 1 << 16) -> [Block] {
    weights.enumerated().flatMap { index, weight in
      let total = weight.value.count
      return stride(from: 0, to: total, by: size).map {
        Block(weight: index, start: $0, count: min(size, total - $0))
      }
    }
  }
}
