/// Where weights come from while a model is built: a checkpoint, the lot, or nowhere, if only their names are wanted.
import Tensors

/// What a model asks for.
package struct WeightRequest {
  package enum Use: Sendable {
    /// W [out, in] of a linear map
    case matrix
    /// Rows that are looked up.
    case table
    /// A bias, or a norm's factors or shifts.
    case vector
  }
  /// The numbers of a new model.
  package enum Initial: Sendable {
    case zeros, ones
    /// N(0, deviation²), but one row that is 0.
    case normal(deviation: Float, zeroRow: Int? = nil)
  }
  package let name: String
  package let shape: [Int]
  package let use: Use
  package let initial: Initial
  /// How many were asked for before it.
  package let place: Int

  /// Matrices decay; biases and norms, being vectors, do not.
  var decays: Bool { shape.count > 1 }
}

package protocol WeightSource {
  /// A frozen weight of the shape asked for.
  func weight(_ request: WeightRequest) throws -> Weight
}

/// Draws each weight from a stream of random numbers of its own, whose number is its place in the traversal.
package struct RandomWeights: WeightSource {
  let seed: UInt64
  let device: any Device

  package init(seed: UInt64, on device: any Device) { (self.seed, self.device) = (seed, device) }

  package func weight(_ request: WeightRequest) -> Weight {
    Weight(request.name, values(request), decays: request.decays)
  }

  private func values(_ request: WeightRequest) -> Tensor {
    switch request.initial {
    case .zeros: return device.zeros(request.shape)
    case .ones:
      let ones = device.uninitialized(request.shape)
      ones.fill(1)
      return ones
    case .normal(let deviation, let zeroRow):
      let drawn = device.normal(request.shape, deviation: deviation, seed: seed, stream: UInt64(request.place))
      guard let zeroRow, (0..<drawn.rows).contains(zeroRow) else { return drawn }
      device.copyRows(of: device.zeros([1, drawn.columns]), to: drawn, at: [zeroRow])
      return drawn
    }
  }
}

/// Gives weights without numbers, and keeps their names and shapes.
private final class ListingSource: WeightSource {
  var shapes: [NamedShape] = []

  func weight(_ request: WeightRequest) -> Weight {
    shapes.append((request.name, request.shape))
    return Weight(listed: request.name, request.shape)
  }
}

/// Hands out weights while a model is built, and remembers them, so that a model knows all its parameters.
package final class ModelBuilder {
  private let source: any WeightSource
  private(set) var linears: [LinearLayer] = []
  /// Weights outside linear layers.
  private(set) var others: [Weight] = []
  private var place = 0

  package init(_ source: any WeightSource) { self.source = source }

  /// y = x·Wᵀ + b, or without b
  package func linear(
    _ name: String, _ out: Int, _ width: Int, hasBias: Bool = true, deviation: Float
  ) throws -> LinearLayer {
    let layer = LinearLayer(
      name, weight: try weight("\(name).weight", [out, width], .matrix, .normal(deviation: deviation)),
      bias: hasBias ? try weight("\(name).bias", [out], .vector, .zeros) : nil)
    linears.append(layer)
    return layer
  }

  package func table(_ name: String, _ rows: Int, _ width: Int, _ initial: WeightRequest.Initial) throws -> Weight {
    let table = try weight(name, [rows, width], .table, initial)
    others.append(table)
    return table
  }

  /// - Parameter shift: what is added to the factors, which are that much less.
  package func norm(
    _ name: String, _ width: Int, _ form: Norm.Form = .centred, hasBias: Bool = true, shift: Float = 0, eps: Float
  ) throws -> Norm {
    let gamma = try weight("\(name).weight", [width], .vector, shift == 0 ? .ones : .zeros)
    let beta = hasBias ? try weight("\(name).bias", [width], .vector, .zeros) : nil
    others += [gamma] + (beta.map { [$0] } ?? [])
    return Norm(form, gamma: gamma, beta: beta, eps: eps, shift: shift)
  }

  private func weight(
    _ name: String, _ shape: [Int], _ use: WeightRequest.Use, _ initial: WeightRequest.Initial
  ) throws -> Weight {
    let weight = try source.weight(
      WeightRequest(name: name, shape: shape, use: use, initial: initial, place: place))
    guard weight.shape == shape else {
      throw ModelError.shapeMismatch(weight: name, found: weight.shape, expected: shape)
    }
    place += 1
    return weight
  }

  /// The weights that `build` asks for, in that order.
  static func list(_ build: (ModelBuilder) throws -> Void) rethrows -> [NamedShape] {
    let list = ListingSource()
    try build(ModelBuilder(list))
    return list.shapes
  }
}

package typealias NamedShape = (name: String, shape: [Int])
