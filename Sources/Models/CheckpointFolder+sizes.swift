/// The sizes that `config.json` names, held against the tensors that are there, before anything is made that large.
import Foundation

extension CheckpointFolder {
  /// Throws a `CheckpointError` that names each key whose size is not that of the tensors.
  func checkSizes() throws {
    var wrong: [(key: String, found: Int, expected: String)] = []
    func compare(_ key: String, _ size: Int, _ tensor: String, dimension: Int) throws {
      guard contains(tensor) else { return }  // which is named when the model is built
      let shape = try shape(of: tensor)
      if shape.count == 2, shape[dimension] != size {
        wrong.append((key, size, "\(shape[dimension]), as \(tensor) \(shape) has it"))
      }
    }
    try compare("vocab_size", config.vocabularySize, "embeddings.word_embeddings.weight", dimension: 0)
    try compare("hidden_size", config.hiddenSize, "embeddings.word_embeddings.weight", dimension: 1)
    try compare(
      "max_position_embeddings", config.maximumPositions, "embeddings.position_embeddings.weight", dimension: 0)
    try compare("type_vocab_size", config.segmentCount, "embeddings.token_type_embeddings.weight", dimension: 0)
    try compare("intermediate_size", config.intermediateSize, "encoder.layer.0.intermediate.dense.weight", dimension: 0)
    func has(layer: Int) -> Bool { contains("encoder.layer.\(layer).attention.self.query.weight") }
    if !has(layer: config.layerCount - 1), let layers = (0..<config.layerCount).first(where: { !has(layer: $0) }) {
      wrong.append(("num_hidden_layers", config.layerCount, "\(layers), as many as have tensors"))
    }
    guard wrong.isEmpty else {
      throw CheckpointError(
        configuration.file, found: wrong.map { "\"\($0.key)\": \($0.found)" }.joined(separator: ", "),
        expected: wrong.map { "\"\($0.key)\": \($0.expected)" }.joined(separator: ", "),
        remedy: "The file and \(checkpoint.file.lastPathComponent) are of two models, or one of them is damaged.")
    }
  }
}

extension BertConfig {
  /// Bytes of memory that this machine has.
  package static var machineMemory: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory) }

  /// Throws `ModelError.tooLarge` if the machine has less memory than fp32 weights of these shapes take.
  package static func checkMemory(for shapes: [NamedShape], memory: Int = machineMemory) throws {
    let weights = shapes.reduce(0.0) { $0 + $1.shape.reduce(1.0) { $0 * Double($1) } }
    if 4 * weights > Double(memory) { throw ModelError.tooLarge(weights: weights, memory: memory) }
  }
}
