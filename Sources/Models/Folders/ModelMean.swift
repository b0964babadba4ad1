/// The mean of several models' weights, in a folder like the first one's.
import Basics
import Foundation
import Tensors

/// Models of one architecture and tokenizer. Each tensor is averaged when its turn to be written has come.
package struct ModelMean {
  private let models: [CheckpointFolder]
  private let weights: [Double]

  /// - Parameter weights: what each model counts.
  /// - Throws: a `CheckpointError` that names all in which the first model that differs does.
  package init(_ models: [CheckpointFolder], weights: [Double]) throws {
    precondition(!models.isEmpty && models.count == weights.count, "one weight for each model")
    (self.models, self.weights) = (models, weights)
    for model in models.dropFirst() {
      let differences = try model.differences(from: models[0])
      if differences.isEmpty { continue }
      throw CheckpointError(
        model.url, found: differences.joined(separator: "; "),
        expected: "the architecture, tensors and tokenizer of \(models[0].url.path(percentEncoded: false))",
        remedy: "A mean makes sense of models that were trained from one base.")
    }
  }

  /// Writes the mean in the first model's type, with its configuration, tokenizer, pooling and prompts.
  package func write(to folder: URL, on device: any Device) throws {
    let first = models[0]
    try first.checkRewritable()
    let type = try first.checkpoint.mainType
    try first.writeRest(as: type, to: folder)
    try SafeTensors.write(
      first.storedNames.map { name, stored in
        NamedTensor(stored, try first.shape(of: name)) { try mean { try $0.tensor(name, on: device) } }
      }, as: type, to: folder.appending(path: "model.safetensors"))
    guard !first.isCrossEncoder else { return }
    try first.write(first.settings, to: folder)
    for (place, module) in first.dense.enumerated() {
      try module.write(
        module.shapes.map { name, shape in
          NamedTensor(name, shape) { try mean { try $0.dense[place].tensor(name, on: device) } }
        }, as: type, to: folder.appending(path: "\(place + 2)_Dense"))
    }
  }

  /// The bytes of x₀ + Σ w·(x − x₀)/Σ w, in fp64, rounded to fp32 once: equal tensors give themselves.
  private func mean(_ tensor: (CheckpointFolder) throws -> Tensor) throws -> Data {
    let first = try tensor(models[0]).array
    let all = weights.reduce(0, +)
    var change = [Double](repeating: 0, count: first.count)
    for (model, weight) in zip(models, weights).dropFirst() {
      let other = try tensor(model).array
      for place in first.indices { change[place] += (Double(other[place]) - Double(first[place])) * (weight / all) }
    }
    return zip(first, change).map { Float(Double($0) + $1) }.withUnsafeBytes { Data($0) }
  }
}

extension CheckpointFolder {
  /// What makes a mean with another model impossible, or senseless.
  fileprivate func differences(from first: CheckpointFolder) throws -> [String] {
    var differences: [String] = []
    if modelType != first.modelType { differences.append("model_type \(modelType) instead of \(first.modelType)") }
    for (own, other) in zip(sizes, first.sizes) where own.key == other.key && own.value != other.value {
      differences.append("\(own.key) \(own.value) instead of \(other.value)")
    }
    // Some values, as the number of heads, show in no shape.
    if differences.isEmpty, AnyHashable(architecture) != AnyHashable(first.architecture) {
      differences.append("other values in config.json")
    }
    if isCrossEncoder != first.isCrossEncoder {
      differences.append(isCrossEncoder ? "a classification head" : "no classification head")
    }
    let (own, others) = (Set(storedNames.keys), Set(first.storedNames.keys))
    func add(_ problem: String, _ names: some Sequence<String>) {
      let sorted = names.sorted()
      let more = sorted.count > 4 ? " and \(sorted.count - 4) more" : ""
      if !sorted.isEmpty { differences.append("\(problem) tensors \(sorted.prefix(4).joined(separator: ", "))\(more)") }
    }
    add("missing", others.subtracting(own))
    add("unexpected", own.subtracting(others))
    add("misshapen", try own.intersection(others).filter { try shape(of: $0) != first.shape(of: $0) })
    if dense.map({ "\($0.shapes)" }) != first.dense.map({ "\($0.shapes)" }) {
      differences.append("other Dense modules")
    }
    if try tokenizerContents() != first.tokenizerContents() { differences.append("another tokenizer") }
    return differences
  }
}
