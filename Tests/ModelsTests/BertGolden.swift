/// The golden file of a tiny BERT, and models with its weights. Made by Tests/Fixtures/generate/bert.py.
import CPU
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Models

struct BertGolden {
  private let entries: [String: Entry]
  private let data: Data
  private let body: Int

  private struct Entry: Decodable {
    let shape: [Int]
    let data_offsets: [Int]
  }

  init() throws {
    data = try Data(contentsOf: fixtures.appending(path: "engine/bert.safetensors"))
    let header = Int(data.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    body = 8 + header
    entries = try JSONDecoder().decode([String: Entry].self, from: data[8..<body])
  }

  static let config = Bert(
    vocabularySize: 40, hiddenSize: 32, layerCount: 2, headCount: 4, intermediateSize: 48, maximumPositions: 20)

  /// Those that the file has vectors of.
  static let poolings: [PoolingMode] = [.cls, .mean, .lastToken]

  func names(_ prefix: String) -> [String] {
    entries.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
  }

  func values<T: BitwiseCopyable>(_ name: String, as type: T.Type = Float.self) throws -> [T] {
    let range = try #require(entries[name], "\(name)").data_offsets
    return data[(body + range[0])..<(body + range[1])].withUnsafeBytes { bytes in
      (0..<(bytes.count / 4)).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: T.self) }
    }
  }

  func tensor(_ name: String, on engine: any Device) throws -> Tensor {
    engine.tensor(try values(name), try #require(entries[name], "\(name)").shape)
  }

  func encoder(_ pooling: PoolingMode..., on engine: any Device) throws -> Encoder {
    try Encoder(
      Self.config, pooling: pooling.isEmpty ? [.mean] : pooling,
      weights: GivenWeights { try tensor("weight/bert.\($0)", on: engine) }, on: engine)
  }

  func crossEncoder(on engine: any Device) throws -> SequenceClassifier {
    try SequenceClassifier(
      Self.config, weights: GivenWeights { try tensor("weight/\($0)", on: engine) }, on: engine)
  }

  /// The file's five sequences, or some of them, in chunks of `chunkSize`.
  func batch(_ wanted: [Int] = [0, 1, 2, 3, 4], chunkSize: Int = 2) throws -> PackedBatch {
    let lengths = try values("lengths", as: Int32.self).map(Int.init)
    let starts = lengths.reduce(into: [0]) { $0.append($0.last! + $1) }
    let (ids, types) = (try values("ids", as: Int32.self), try values("types", as: Int32.self))
    func cut(_ values: [Int32]) -> [[Int32]] { wanted.map { Array(values[starts[$0]..<starts[$0 + 1]]) } }
    return PackedBatch(
      cut(ids), typeIDs: cut(types), chunkSize: chunkSize, sequenceKeys: wanted.map { UInt64($0) + 100 })
  }

  /// Puts the file's adapter on the model.
  func adapt(_ model: some SequenceModel, _ kind: String) throws {
    try model.attach(lora: LoRASettings(r: 3, alpha: 5, dropout: 0), seed: 1)
    for weight in model.weights where weight.name.contains("lora_") {
      weight.value.update(from: try tensor("\(kind)/lora/weight/\(weight.name)", on: model.device))
      weight.changed()
    }
  }
}

/// Largest difference of two arrays, relative to the largest magnitude in `expected`.
func relativeError(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let scale = expected.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
  return zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / scale
}
