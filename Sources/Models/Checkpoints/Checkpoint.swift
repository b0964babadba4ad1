/// The tensors of a model folder: `model.safetensors`, or PyTorch's `pytorch_model.bin`, or shards that an index lists.
import Basics
import Foundation
import JSONText
import Tensors

package struct Checkpoint: Sendable {
  /// The file of the tensors, or the index of the shards.
  package let file: URL
  private let shards: [any TensorFile]
  private let shardByName: [String: Int]
  /// What is added to some of the tensors when they are read.
  private let adapters: StoredAdapters?

  /// A way to keep tensors; where a folder has more than one, the first counts.
  private struct Format: Sendable {
    let name, suffix: String
    let open: @Sendable (URL, URL) throws -> any TensorFile

    static let all = [
      Format(name: "model.safetensors", suffix: ".safetensors") { try SafeTensors(contentsOf: $0, in: $1) },
      Format(name: "pytorch_model.bin", suffix: ".bin") { try PyTorchFile(contentsOf: $0, in: $1) },
    ]
  }

  /// - Parameter root: the model's folder, in which `folder` lies or which it is.
  package init(folder: URL, in root: URL) throws {
    for format in Format.all {
      let single = folder.appending(path: format.name)
      if ForeignFile.exists(single) {
        self.init(file: single, try format.open(single, root))
        return
      }
      let index = folder.appending(path: "\(format.name).index.json")
      if let map = try Configuration(ifPresent: index, in: root) {
        try self.init(shards: map, in: folder, root, format)
        return
      }
    }
    throw CheckpointError(
      folder, found: "neither model.safetensors nor pytorch_model.bin",
      expected: "a model folder with config.json and one of them")
  }

  /// Whether a folder has the file or the index of one of the formats.
  static func exists(in folder: URL) -> Bool {
    Format.all.contains { format in
      [format.name, "\(format.name).index.json"].contains { ForeignFile.exists(folder.appending(path: $0)) }
    }
  }

  init(file: URL, _ tensors: any TensorFile, adapters: StoredAdapters? = nil) {
    self.file = file
    self.adapters = adapters
    shards = [tensors]
    shardByName = Dictionary(tensors.names.map { ($0, 0) }) { first, _ in first }
  }

  /// In byte order of their UTF-8.
  package var names: [String] { shardByName.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  package func shape(of name: String) throws -> [Int] { try shard(of: name).shape(of: name) }

  func type(of name: String) throws -> ElementType { try shard(of: name).type(of: name) }

  /// The weight that a model asks for, out of the tensor `stored`. A matrix stays where it is until it is laid out, a
  /// table keeps its type, and an adapter that lies beside is merged.
  func weight(_ request: WeightRequest, from stored: String, on device: any Device) throws -> Weight {
    let tensor = try shard(of: stored).stored(stored)
    let weight =
      switch request.use {
      case .matrix: Weight(request.name, stored: tensor, on: device, decays: request.decays)
      case .table: Weight(request.name, device.tensor(tensor), decays: request.decays)
      case .vector: Weight(request.name, device.tensor(tensor, as: .f32), decays: request.decays)
      }
    try adapters?.add(to: weight, stored)
    return weight
  }

  /// A copy of the tensor `name`, in fp32.
  package func tensor(_ name: String, on device: any Device) throws -> Tensor {
    device.tensor(try shard(of: name).stored(name), as: .f32)
  }

  private func shard(of name: String) throws -> any TensorFile {
    guard let index = shardByName[name] else {
      throw CheckpointError(file, found: "no tensor \"\(name)\"", expected: "one")
    }
    return shards[index]
  }

  private init(shards index: Configuration, in folder: URL, _ root: URL, _ format: Format) throws {
    guard let map = index.values["weight_map"]?.members else {
      throw CheckpointError(index.file, "key \"weight_map\"", found: "none", expected: "an object of file names")
    }
    var shards: [any TensorFile] = []
    var shardByFile: [String: Int] = [:]
    var shardByName: [String: Int] = [:]
    for member in map {
      guard let name = member.value.string, Self.isShard(name, format) else {
        throw CheckpointError(
          index.file, "tensor \"\(member.key)\"", found: member.value.text(),
          expected: "the name of a \(format.suffix) file beside the index")
      }
      if shardByFile[name] == nil {
        shardByFile[name] = shards.count
        shards.append(try format.open(folder.appending(path: name), root))
      }
      shardByName[member.key] = shardByFile[name]
      guard let shard = shardByFile[name], shards[shard].contains(member.key) else {
        throw CheckpointError(
          folder.appending(path: name), found: "no tensor \"\(member.key)\"", expected: "it, as the index says")
      }
    }
    self.shards = shards
    self.shardByName = shardByName
    file = index.file
    adapters = nil
  }

  /// By bytes: a slash with a mark on it is a slash.
  private static func isShard(_ name: String, _ format: Format) -> Bool {
    name.utf8.suffix(format.suffix.utf8.count).elementsEqual(format.suffix.utf8)
      && !name.utf8.contains { [0, UInt8(ascii: "/")].contains($0) }
  }
}
