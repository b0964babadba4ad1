/// Tiny models of every architecture, and what transformers and peft make of them. Made by
/// Tests/Fixtures/generate/architectures.py.
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

struct ArchitectureGolden {
  /// Those whose positions are rows of a table.
  static let tabled = [
    "xlm-roberta", "roberta-two-types", "roberta-padding-0", "mpnet", "mpnet-four-heads", "bert-three-types",
  ]
  static let decoders = [
    "llama", "llama-biases", "llama-linear", "qwen2", "qwen3", "qwen3-biases", "gemma3", "gemma3-two-ways",
  ]
  static let names = tabled + decoders + ["modernbert", "modernbert-biases"]

  /// Models under the golden file's names.
  enum Kind: String, CaseIterable {
    case encoder
    case crossEncoder = "cross-encoder"
  }

  let folder: URL
  let file: SafeTensors

  init(_ name: String) throws {
    folder = fixtures.appending(path: "architectures/\(name)")
    file = try SafeTensors(contentsOf: folder.appending(path: "golden.safetensors"))
  }

  /// Both load from the folder of the model for classification, the encoder as transformers' class without its head.
  func model(_ kind: Kind, on device: any Device) throws -> any SequenceModel {
    let folder = try CheckpointFolder(folder)
    guard kind == .encoder else { return try folder.crossEncoder(on: device, seed: 0).model }
    return try Encoder(folder.architecture, pooling: [.mean], weights: encoderWeights(folder, device), on: device)
  }

  /// The encoder's layers alone.
  func body(on device: any Device) throws -> (any Body, Parameters) {
    let folder = try CheckpointFolder(folder)
    let builder = ModelBuilder(try encoderWeights(folder, device))
    return (try folder.architecture.body(builder, at: ""), Parameters(builder, on: device))
  }

  private func encoderWeights(_ folder: CheckpointFolder, _ device: any Device) throws -> some WeightSource {
    let weights = try folder.crossEncoder(on: device, seed: 0).model.weights
    let (tensors, prefix) = (
      Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.fp32) }), folder.architecture.prefix
    )
    return GivenWeights { try #require(tensors["\(prefix)\($0)"]) }
  }

  static func batch(_ golden: SafeTensors, chunkSize: Int, _ wanted: [Int]) throws -> PackedBatch {
    func integers(_ name: String) throws -> [Int32] { try golden.floats(name).map { Int32($0) } }
    let offsets = try integers("lengths").reduce(into: [0]) { $0.append($0.last! + Int($1)) }
    func cut(_ values: [Int32]) -> [[Int32]] { wanted.map { Array(values[offsets[$0]..<offsets[$0 + 1]]) } }
    return PackedBatch(
      cut(try integers("ids")), typeIDs: cut(try integers("types")), chunkSize: chunkSize,
      sequenceKeys: wanted.map { UInt64($0) })
  }

  func batch(chunkSize: Int = 2, _ wanted: [Int] = [0, 1, 2, 3, 4]) throws -> PackedBatch {
    try Self.batch(file, chunkSize: chunkSize, wanted)
  }
}
