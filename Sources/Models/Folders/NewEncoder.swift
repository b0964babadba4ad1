/// Writes new models: weights drawn as transformers draws them.
import Foundation
import Tensors

extension Bert {
  /// Writes a new random encoder, pooler included, as a sentence-transformers folder, with the tokenizer files of
  /// `tokenizer`, which may be `folder` itself. Throws `ModelError.tooLarge` if it takes more than `memory` bytes, before
  /// it makes anything.
  package func writeNewEncoder(
    to folder: URL, tokenizer: URL, settings: SentenceSettings, seed: UInt64, memory: Int = machineMemory,
    on device: any Device
  ) throws {
    try checkMemory(for: encoderShapes + poolerShapes, memory: memory)
    try CheckpointFolder.makeFolder(folder)
    try CheckpointFolder.copyTokenizer(from: tokenizer, to: folder)
    try Configuration(file: folder.appending(path: "config.json"), values: json).write()
    try settings.write(to: folder, embeddingDimension: hiddenSize, general: nil)
    let builder = ModelBuilder(RandomWeights(seed: seed, on: device))
    _ = try body(builder, at: "")
    try pooler(builder, at: "")
    try SafeTensors.write(
      Parameters(builder, on: device).all.map { NamedTensor($0) }, to: folder.appending(path: "model.safetensors"))
  }
}

/// Bytes of memory that this machine has.
package var machineMemory: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory) }

/// Throws `ModelError.tooLarge` if the machine has less memory than fp32 weights of these shapes take.
func checkMemory(for shapes: [NamedShape], memory: Int = machineMemory) throws {
  let weights = shapes.reduce(0.0) { $0 + $1.shape.reduce(1.0) { $0 * Double($1) } }
  if 4 * weights > Double(memory) { throw ModelError.tooLarge(weights: weights, memory: memory) }
}
