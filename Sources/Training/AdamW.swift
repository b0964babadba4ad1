/// AdamW, and the norm of gradients that clipping needs.
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

    package init(of weights: [Weight]) {
      first = weights.map { $0.device.zeros($0.shape) }
      second = weights.map { $0.device.zeros($0.shape) }
    }
  }

  /// Moves every weight against its gradient times `gradientScale`, at a rate of its own.
  package func step(
    _ weights: [Weight], _ moments: inout Moments, rate: (Weight) -> Double, gradientScale: Double,
    on device: any Device
  ) {
    moments.step += 1
    let count = Double(moments.step)
    let groups = Dictionary(grouping: weights.indices) { rate(weights[$0]) }
    for (rate, members) in groups {
      device.adamW(
        members.map { AdamWMove(weights[$0], first: moments.first[$0], second: moments.second[$0]) },
        AdamWStep(
          gradientScale: Float(gradientScale), decay: Float(1 - rate * weightDecay), beta1Complement: Float(1 - beta1),
          beta2: Float(beta2), beta2Complement: Float(1 - beta2), rate: Float(rate / (1 - pow(beta1, count))),
          secondBiasCorrection: Float((1 - pow(beta2, count)).squareRoot()), epsilon: Float(epsilon)))
    }
  }
}

/// √Σ g² over all gradients; not finite as soon as one of them is not.
func gradientNorm(_ weights: [Weight], on device: any Device) -> Double {
  device.sumOfSquares(weights.compactMap(\.gradient)).squareRoot()
}

/// The factor that brings gradients of `norm` down to `limit`, as `torch.nn.utils.clip_grad_norm_`; 0 is no limit.
func clippingFactor(norm: Double, limit: Double) -> Double { limit > 0 ? min(1, limit / (norm + 1e-6)) : 1 }
