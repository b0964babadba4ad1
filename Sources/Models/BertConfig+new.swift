/// Weights of a new BERT, drawn as transformers draws them: linears and embeddings ~ N(0, initializer_range), the
/// padding token's row 0, biases 0, norms 1.
import Foundation
import Tensors

extension BertConfig {
  /// Names without prefix.
  var poolerShapes: [(name: String, shape: [Int])] {
    crossEncoderShapes.map { (CheckpointFolder.withoutPrefix($0.name), $0.shape) }
      .filter { $0.name.hasPrefix("pooler.") }
  }

  /// The tensor `name` of `crossEncoderShapes`, from a stream of random numbers of its own.
  func newTensor(_ name: String, on engine: Engine, seed: UInt64) throws -> Tensor {
    let shapes = crossEncoderShapes
    guard let stream = shapes.firstIndex(where: { $0.name == name }) else {
      throw ModelError.unsupported(key: "tensor", found: name, expected: "one of BERT's")
    }
    let shape = shapes[stream].shape
    guard shape.count == 2 else {
      let constant = engine.zeros(shape)
      if name.hasSuffix("LayerNorm.weight") { constant.fill(1) }
      return constant
    }
    let tensor = engine.normal(shape, deviation: initializerRange, seed: seed, stream: UInt64(stream))
    if name.hasSuffix("word_embeddings.weight"), (0..<vocabularySize).contains(paddingID) {
      (tensor.floats + paddingID * hiddenSize).update(repeating: 0, count: hiddenSize)
    }
    return tensor
  }

  /// Every tensor of an encoder with its pooler.
  private var newShapes: [NamedShape] { crossEncoderShapes.filter { $0.name.hasPrefix("bert.") } }

  /// Writes a new random encoder, pooler included, as a sentence-transformers folder, with the tokenizer files of
  /// `tokenizer`, which may be `folder` itself. Throws `ModelError.tooLarge` if it takes more than `memory` bytes, before it makes anything.
  package func writeNewEncoder(
    to folder: URL, tokenizer: URL, settings: SentenceSettings, seed: UInt64, memory: Int = machineMemory,
    on engine: Engine
  ) throws {
    try Self.checkMemory(for: newShapes, memory: memory)
    try CheckpointFolder.makeFolder(folder)
    try CheckpointFolder.copyTokenizer(from: tokenizer, to: folder)
    try Configuration(file: folder.appending(path: "config.json"), values: json).write()
    try settings.write(to: folder, embeddingDimension: hiddenSize, general: nil)
    var tensors: [String: Tensor] = [:]
    for (name, _) in newShapes {
      tensors[CheckpointFolder.withoutPrefix(name)] = try newTensor(name, on: engine, seed: seed)
    }
    try SafeTensors.write(tensors, to: folder.appending(path: "model.safetensors"))
  }
}
