/// A model folder: a plain Hugging Face encoder, a sentence-transformers folder, or a `…ForSequenceClassification`.
import Foundation
import Tensors

/// Everything that a folder says, read and checked; of the weights only names and shapes.
package struct CheckpointFolder: Sendable {
  package let url: URL
  /// Where the transformer's own files are: `url`, or `0_Transformer` in older sentence-transformers folders.
  package let transformer: URL
  /// `config.json` with all its keys.
  let configuration: Configuration
  package let config: BertConfig
  package let settings: SentenceSettings
  /// Whether it has a classification head.
  package let isCrossEncoder: Bool
  let checkpoint: Checkpoint
  /// Names in the files by names without prefix.
  private let storedNames: [String: String]

  /// Throws a `CheckpointError`.
  package init(_ url: URL) throws {
    let modules = try SentenceModule.read(in: url)
    self.url = url
    transformer = modules.first?.folder ?? url
    configuration = try Configuration(contentsOf: transformer.appending(path: "config.json"), in: url)
    config = try BertConfig(configuration)
    checkpoint = try Checkpoint(folder: transformer, in: url)
    settings = try SentenceSettings(
      folder: url, transformer: transformer, modules: modules, maximumPositions: config.maximumPositions)
    storedNames = try Self.storedNames(of: checkpoint)
    isCrossEncoder = storedNames["classifier.weight"] != nil
    try checkSizes()
  }

  /// Throws a `CheckpointError` that names every missing, unexpected or misshapen tensor.
  package func encoder(on engine: Engine, pooling: PoolingMode? = nil) throws -> BertEncoder {
    guard !isCrossEncoder else {
      throw CheckpointError(url, found: "a model with a classification head", expected: "an encoder")
    }
    try check(required: config.encoderShapes, optional: config.poolerShapes)
    try BertConfig.checkMemory(for: config.encoderShapes)
    return try BertEncoder(config: config, pooling: pooling ?? settings.pooling, engine: engine) { name in
      try tensor(name, on: engine)
    }
  }

  /// The cross-encoder, or a new one on an encoder: its classifier, and its pooler if the folder has none, are drawn by
  /// `seed` and named in `newModules`. Throws a `CheckpointError` that names every missing, unexpected or misshapen
  /// tensor.
  package func crossEncoder(
    on engine: Engine, seed: UInt64
  ) throws -> (model: BertCrossEncoder, newModules: [String]) {
    let newModules = ["pooler", "classifier"].filter { module in
      !isCrossEncoder && !storedNames.keys.contains { $0.hasPrefix("\(module).") }
    }
    try check(
      required: config.crossEncoderShapes.map { (Self.withoutPrefix($0.name), $0.shape) }
        .filter { shape in !newModules.contains { shape.0.hasPrefix("\($0).") } }, optional: [])
    try BertConfig.checkMemory(for: config.crossEncoderShapes)
    let model = try BertCrossEncoder(config: config, engine: engine) { name in
      let bare = Self.withoutPrefix(name)
      return try storedNames[bare] == nil
        ? config.newTensor(name, on: engine, seed: seed) : tensor(bare, on: engine)
    }
    return (model, newModules)
  }

  /// A tensor by its name without prefix.
  func tensor(_ name: String, on engine: Engine) throws -> Tensor {
    try checkpoint.tensor(storedNames[name] ?? name, on: engine)
  }

  func shape(of name: String) throws -> [Int] { try checkpoint.shape(of: storedNames[name] ?? name) }

  func contains(_ name: String) -> Bool { storedNames[name] != nil }

  private func check(required: [(name: String, shape: [Int])], optional: [(name: String, shape: [Int])]) throws {
    let missing = required.map(\.name).filter { storedNames[$0] == nil }
    let shapes = Dictionary(uniqueKeysWithValues: required + optional)
    var unexpected: [String] = []
    var misshapen: [String] = []
    for (name, stored) in storedNames.sorted(by: { $0.key < $1.key }) {
      let found = try checkpoint.shape(of: stored)
      if let shape = shapes[name] {
        if found != shape { misshapen.append("\(stored) \(found) instead of \(shape)") }
      } else {
        unexpected.append(stored)
      }
    }
    let problems = [("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen)]
      .filter { !$0.1.isEmpty }.map { problem, names in
        let more = names.count > 4 ? " and \(names.count - 4) more" : ""
        return "\(problem) tensors \(names.prefix(4).joined(separator: ", "))\(more)"
      }
    guard problems.isEmpty else {
      throw CheckpointError(
        checkpoint.file, found: problems.joined(separator: "; "),
        expected: "the tensors that config.json's sizes ask for")
    }
  }

  static func withoutPrefix(_ name: String) -> String {
    for prefix in ["bert.", "model."] where name.hasPrefix(prefix) { return String(name.dropFirst(prefix.count)) }
    return name
  }

  /// Buffers and the heads of pre-training are left out; norms of old checkpoints get today's names.
  private static func storedNames(of checkpoint: Checkpoint) throws -> [String: String] {
    var names: [String: String] = [:]
    for stored in checkpoint.names {
      let name = withoutPrefix(stored).replacing("LayerNorm.gamma", with: "LayerNorm.weight")
        .replacing("LayerNorm.beta", with: "LayerNorm.bias")
      if name.hasPrefix("cls.") || ["embeddings.position_ids", "embeddings.token_type_ids"].contains(name) { continue }
      if let other = names.updateValue(stored, forKey: name) {
        throw CheckpointError(checkpoint.file, found: "both \"\(other)\" and \"\(stored)\"", expected: "one of them")
      }
    }
    return names
  }
}
