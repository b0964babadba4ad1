/// A linear layer after the pooling, `Dense` of sentence-transformers: `N_Dense/` with its sizes and its weights.
import Foundation
import Tensors

package struct DenseModule: Sendable {
  let outputSize: Int
  let activation: Activation
  private let inputSize: Int
  private let checkpoint: Checkpoint
  var parameterCount: Int { outputSize * (inputSize + (hasBias ? 1 : 0)) }
  private var hasBias: Bool { checkpoint.names.contains("linear.bias") }

  /// By the last part of the class's name.
  private static let activations: [String: Activation] = ["Identity": .identity, "Tanh": .tanh]

  /// - Parameters:
  ///   - root: the model's folder.
  ///   - width: of what goes in.
  /// - Throws: a `CheckpointError` on what this program does not do, and on tensors that are not as the sizes say.
  init(_ folder: URL, in root: URL, width: Int) throws {
    let file = try Configuration(contentsOf: folder.appending(path: "config.json"), in: root)
    func check(_ key: String, _ isRight: Bool, _ expected: String) throws {
      if !isRight {
        throw CheckpointError(
          file.file, "key \"\(key)\"", found: file.values[key]?.text() ?? "nothing", expected: expected)
      }
    }
    inputSize = try file.int("in_features")
    outputSize = try file.int("out_features")
    try check("in_features", inputSize == width, "\(width), the size of what goes in")
    try check("out_features", (1...(1 << 20)).contains(outputSize), "a size from 1 to \(1 << 20)")
    let name = try file.string(ifPresent: "activation_function") ?? "torch.nn.modules.activation.Tanh"
    guard let activation = Self.activations[String(name.split(separator: ".").last ?? "")] else {
      throw CheckpointError(
        file.file, "key \"activation_function\"", found: "\"\(name)\"",
        expected: "torch.nn.modules.activation.Tanh or torch.nn.modules.linear.Identity",
        remedy: "Nothing else is supported yet.")
    }
    self.activation = activation
    for key in ["module_input_name", "module_output_name"] {
      let vector = try file.string(ifPresent: key) ?? "sentence_embedding"
      try check(key, vector == "sentence_embedding", "\"sentence_embedding\"")
    }
    checkpoint = try Checkpoint(folder: folder, in: root)
    let bias = try file.bool(ifPresent: "bias") ?? true
    let expected = [("linear.weight", [outputSize, inputSize])] + (bias ? [("linear.bias", [outputSize])] : [])
    guard checkpoint.names == expected.map(\.0).sorted(),
      try expected.allSatisfy({ try checkpoint.shape(of: $0.0) == $0.1 })
    else {
      let found = try checkpoint.names.map { "\($0) \(try checkpoint.shape(of: $0))" }
      throw CheckpointError(
        checkpoint.file, found: found.joined(separator: ", "),
        expected: expected.map { "\($0.0) \($0.1)" }.joined(separator: ", "))
    }
  }

  /// The layer, frozen; where the folder has no bias it is 0.
  func layer(on device: any Device) throws -> LinearLayer {
    let bias = hasBias ? try checkpoint.tensor("linear.bias", on: device) : device.zeros([outputSize])
    return LinearLayer(
      "Dense", weight: Weight("linear.weight", try checkpoint.tensor("linear.weight", on: device), decays: true),
      bias: Weight("linear.bias", bias, decays: false))
  }
}
