/// A step of AdamW (Loshchilov and Hutter, 2019), ε outside the root as `torch.optim.AdamW` has it:
///   m += (g - m)(1 - β₁), v = β₂v + (1 - β₂)g², w = w·decay - rate·m/(√v/correction + ε).

/// What moves with a step: a weight, its gradient and its moments, all of one shape.
package struct AdamWMove {
  package let weight: Weight
  package let first: Tensor
  package let second: Tensor

  package init(_ weight: Weight, first: Tensor, second: Tensor) {
    (self.weight, self.first, self.second) = (weight, first, second)
  }
}

/// The step's constants, computed once in double.
package struct AdamWStep: Sendable {
  /// The factor of gradients, by clipping and accumulation.
  package var gradientScale: Float
  /// The factor of weights that decay, 1 - rate·weight decay.
  package var decay: Float
  package var beta1Complement: Float
  package var beta2: Float
  package var beta2Complement: Float
  /// rate/(1 - β₁ᵗ)
  package var rate: Float
  /// √(1 - β₂ᵗ)
  package var secondBiasCorrection: Float
  package var epsilon: Float

  package init(
    gradientScale: Float, decay: Float, beta1Complement: Float, beta2: Float, beta2Complement: Float, rate: Float,
    secondBiasCorrection: Float, epsilon: Float
  ) {
    self.gradientScale = gradientScale
    self.decay = decay
    self.beta1Complement = beta1Complement
    self.beta2 = beta2
    self.beta2Complement = beta2Complement
    self.rate = rate
    self.secondBiasCorrection = secondBiasCorrection
    self.epsilon = epsilon
  }
}
