/// A linear layer after the pooling, `Dense` of sentence-transformers: `N_Dense/` with its sizes and its weights.
import Foundation
import Tensors

package struct DenseModule: Sendable {
  /// `config.json` with all its keys.
  private let configuration: Configuration
  let outputSize: Int
  private let inputSize: Int
  private let activation: Activation
  private let hasBias: Bool
  private let checkpoint: Checkpoint
  /// Names and shapes of its tensors.
  var shapes: [NamedShape] {
    [("linear.weight", [outputSize, inputSize])] + (hasBias ? [("linear.bias", [outputSize])] : [])
  }
  var parameterCount: Int { outputSize * (inputSize + (hasBias ? 1 : 0)) }

  /// By the last part of the class's name.
  private static let activations: [String: Activation] = ["Identity": .identity, "Tanh": .tanh, "GELU": .gelu]

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
    configuration = file
    inputSize = try file.int("in_features")
    outputSize = try file.int("out_features")
    try check("in_features", inputSize == width, "\(width), the size of what goes in")
    try check("out_features", (1...(1 << 20)).contains(outputSize), "a size from 1 to \(1 << 20)")
    let name = try file.string(ifPresent: "activation_function") ?? "torch.nn.modules.activation.Tanh"
    guard let activation = Self.activations[String(name.split(separator: ".").last ?? "")] else {
      throw CheckpointError(
        file.file, "key \"activation_function\"", found: "\"\(name)\"",
        expected:
          "torch.nn.modules.activation.Tanh, torch.nn.modules.activation.GELU or torch.nn.modules.linear.Identity",
        remedy: "Nothing else is supported yet.")
    }
    self.activation = activation
    for key in ["module_input_name", "module_output_name"] {
      let vector = try file.string(ifPresent: key) ?? "sentence_embedding"
      try check(key, vector == "sentence_embedding", "\"sentence_embedding\"")
    }
    try check("use_residual", try file.bool(ifPresent: "use_residual") != true, "false")
    checkpoint = try Checkpoint(folder: folder, in: root)
    hasBias = try file.bool(ifPresent: "bias") ?? true
    let expected = shapes
    guard checkpoint.names == expected.map(\.name).sorted(),
      try expected.allSatisfy({ try checkpoint.shape(of: $0.name) == $0.shape })
    else {
      let found = try checkpoint.names.map { "\($0) \(try checkpoint.shape(of: $0))" }
      throw CheckpointError(
        checkpoint.file, found: found.joined(separator: ", "),
        expected: expected.map { "\($0.name) \($0.shape)" }.joined(separator: ", "))
    }
  }

  /// The layer, frozen.
  /// - Parameter place: among the folder's modules.
  func layer(at place: Int, on device: any Device) throws -> DenseLayer {
    let name = "\(place)_Dense.linear"
    let bias = hasBias ? Weight("\(name).bias", try checkpoint.tensor("linear.bias", on: device), decays: false) : nil
    return DenseLayer(
      linear: LinearLayer(
        name,
        weight: Weight("\(name).weight", try checkpoint.tensor("linear.weight", on: device), decays: true),
        bias: bias),
      activation: activation)
  }

  /// A tensor of the module's, in fp32.
  func tensor(_ name: String, on device: any Device) throws -> Tensor { try checkpoint.tensor(name, on: device) }

  /// Writes the module's folder with other weights.
  func write(_ tensors: [NamedTensor], as type: DType, to folder: URL) throws {
    try CheckpointFolder.makeFolder(folder)
    try Configuration(file: folder.appending(path: "config.json"), values: configuration.values).write()
    try SafeTensors.write(tensors, as: type, to: folder.appending(path: "model.safetensors"))
  }
}

/// The layer in a model.
package struct DenseLayer {
  let linear: LinearLayer  // [out, in]
  let activation: Activation
}
