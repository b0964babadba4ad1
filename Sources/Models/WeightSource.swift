/// Where a model's weights come from while it is built: tensors by name, checked against the configuration.
import Tensors

/// Collects what it hands out, so that a model knows all its parameters.
final class WeightSource {
  private let shapes: [String: [Int]]
  private let tensor: (String) throws -> Tensor
  private(set) var linears: [LinearLayer] = []
  /// Weights outside linear layers.
  private(set) var others: [Weight] = []

  init(_ shapes: [(name: String, shape: [Int])], tensor: @escaping (String) throws -> Tensor) {
    self.shapes = Dictionary(uniqueKeysWithValues: shapes.map { ($0.name, $0.shape) })
    self.tensor = tensor
  }

  func linear(_ name: String) throws -> LinearLayer {
    let layer = LinearLayer(name, weight: try read("\(name).weight"), bias: try read("\(name).bias"))
    linears.append(layer)
    return layer
  }

  func weight(_ name: String) throws -> Weight {
    let weight = try read(name)
    others.append(weight)
    return weight
  }

  /// Frozen at first. Matrices decay; biases and norms, being vectors, do not.
  private func read(_ name: String) throws -> Weight {
    let value = try tensor(name)
    guard let shape = shapes[name], shape == value.shape else {
      throw ModelError.shapeMismatch(weight: name, found: value.shape, expected: shapes[name] ?? [])
    }
    return Weight(name, value, decays: shape.count > 1)
  }
}
