/// The temperature of a contrastive loss as a number that trains: a parameter group of its own, without decay.
import Foundation
import Tensors

package final class Temperature {
  /// ln τ, [1].
  package let weight: Weight
  /// Its highest learning rate.
  package let rate: Double
  private let least: Float

  /// - Parameters:
  ///   - logarithm: ln τ at the beginning.
  ///   - least: the τ below which it never falls.
  ///   - learns: false: τ stays as it is.
  package init(logarithm: Double, rate: Double, least: Double, learns: Bool, on device: any Device) {
    weight = Weight("log_temperature", device.tensor([Float(logarithm)], [1]), decays: false)
    self.rate = rate
    self.least = Float(log(least))
    if learns { weight.train() }
  }

  package var logarithm: Double { Double(weight.value.array[0]) }
  /// τ
  package var value: Double { exp(logarithm) }

  /// Adds dL/d ln τ of a batch.
  func add(_ gradients: [Double]) {
    guard let gradient = weight.gradient, let added = gradients.first else { return }
    gradient.update(from: gradient.device.tensor([gradient.array[0] + Float(added)], [1]))
  }

  func raiseToLeast() {
    guard weight.isTrainable, weight.value.array[0] < least else { return }
    weight.value.update(from: weight.device.tensor([least], [1]))
    weight.changed()
  }
}
