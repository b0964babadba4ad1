/// The tensors of a model folder: `model.safetensors`, or shards that `model.safetensors.index.json` lists.
import Basics
import Foundation
import JSONText
import Tensors

package struct Checkpoint: Sendable {
  /// `model.safetensors` or the index of the shards.
  package let file: URL
  private let shards: [SafeTensors]
  private let shardByName: [String: Int]

  /// - Parameter root: the model's folder, in which `folder` lies or which it is.
  package init(folder: URL, in root: URL) throws {
    let single = folder.appending(path: "model.safetensors")
    let index = folder.appending(path: "model.safetensors.index.json")
    if ForeignFile.exists(single) {
      file = single
      shards = [try SafeTensors(contentsOf: single, in: root)]
      shardByName = Dictionary(uniqueKeysWithValues: shards[0].names.map { ($0, 0) })
    } else if let map = try Configuration(ifPresent: index, in: root) {
      file = index
      (shards, shardByName) = try Self.shards(of: map, in: folder, root)
    } else {
      throw Self.missing(in: folder)
    }
  }

  /// In byte order of their UTF-8.
  package var names: [String] { shardByName.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  package func shape(of name: String) throws -> [Int] { try shard(of: name).shape(of: name) }

  /// A copy of the tensor `name`, as floats.
  package func tensor(_ name: String, on engine: Engine) throws -> Tensor {
    let shard = try shard(of: name)
    let tensor = engine.uninitialized(try shard.shape(of: name))
    try shard.readFloats(name, into: tensor.floats)
    return tensor
  }

  private func shard(of name: String) throws -> SafeTensors {
    guard let index = shardByName[name] else {
      throw CheckpointError(file, found: "no tensor \"\(name)\"", expected: "one")
    }
    return shards[index]
  }

  private static func shards(of index: Configuration, in folder: URL, _ root: URL) throws -> (
    [SafeTensors], [String: Int]
  ) {
    guard let map = index.values["weight_map"]?.members else {
      throw CheckpointError(index.file, "key \"weight_map\"", found: "none", expected: "an object of file names")
    }
    var shards: [SafeTensors] = []
    var shardByFile: [String: Int] = [:]
    var shardByName: [String: Int] = [:]
    for member in map {
      guard let name = member.value.string, Self.isShard(name) else {
        throw CheckpointError(
          index.file, "tensor \"\(member.key)\"", found: member.value.text(),
          expected: "the name of a safetensors file beside the index")
      }
      if shardByFile[name] == nil {
        shardByFile[name] = shards.count
        shards.append(try SafeTensors(contentsOf: folder.appending(path: name), in: root))
      }
      shardByName[member.key] = shardByFile[name]
      guard let shard = shardByFile[name], shards[shard].contains(member.key) else {
        throw CheckpointError(
          folder.appending(path: name), found: "no tensor \"\(member.key)\"", expected: "it, as the index says")
      }
    }
    return (shards, shardByName)
  }

  /// By bytes: a slash with a mark on it is a slash.
  private static func isShard(_ name: String) -> Bool {
    name.utf8.suffix(12).elementsEqual(".safetensors".utf8)
      && !name.utf8.contains { [0, UInt8(ascii: "/")].contains($0) }
  }

  private static func missing(in folder: URL) -> CheckpointError {
    let pickled = ["pytorch_model.bin", "best_model.pt"].first { ForeignFile.exists(folder.appending(path: $0)) }
    guard let pickled else {
      return CheckpointError(
        folder, found: "no model.safetensors", expected: "a model folder with config.json and model.safetensors")
    }
    return CheckpointError(
      folder, found: "\(pickled) only", expected: "model.safetensors",
      remedy: """
        Pickled weights are not read, since they can run code. Convert them once in this folder, with Python:
          import torch
          from safetensors.torch import save_file
          state = torch.load("\(pickled)", map_location="cpu", weights_only=True)
          state = state.get("model_state_dict", state)
          save_file({name: tensor.clone().contiguous() for name, tensor in state.items()},
                    "model.safetensors", {"format": "pt"})
        """)
  }
}
