/// The tensors of a model folder: `model.safetensors`, or PyTorch's `pytorch_model.bin`, or shards that an index lists.
import Basics
import Foundation
import JSONText
import Tensors

package struct Checkpoint: Sendable {
  /// The file of the tensors, or the index of the shards.
  package let file: URL
  private let shards: [any TensorFile]
  /// The shard of every tensor, those that decode others included.
  private let allNames: [String: Int]
  /// The same without those that decode others.
  private let shardByName: [String: Int]
  /// What is added to some of the tensors when they are read.
  private let adapters: StoredAdapters?
  /// Matrices in codes, by name; what decodes them is no tensor of its own.
  private let coded: [String: StoredCodes]

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
        try self.init(file: single, format.open(single, root))
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

  init(file: URL, _ tensors: any TensorFile, adapters: StoredAdapters? = nil) throws {
    try self.init(file: file, [tensors], Dictionary(tensors.names.map { ($0, 0) }) { first, _ in first }, adapters)
  }

  private init(
    file: URL, _ shards: [any TensorFile], _ shardByName: [String: Int], _ adapters: StoredAdapters?
  ) throws {
    (self.file, self.shards, self.adapters) = (file, shards, adapters)
    allNames = shardByName
    var (coded, shardByName) = ([String: StoredCodes](), shardByName)
    for (name, shard) in shardByName {
      guard let (weight, format) = StoredCodes.weight(ofState: name), coded[weight] == nil else { continue }
      coded[weight] = try StoredCodes(weight, format, in: shards[shard].file) { part in
        try Self.raw(part, shards, shardByName, file)
      }
    }
    for name in coded.keys.flatMap(StoredCodes.names) { shardByName[name] = nil }
    (self.shardByName, self.coded) = (shardByName, coded)
  }

  /// The same with other tensors in the place of its own, or beside them, and adapters.
  func changed(by tensors: any TensorFile, adapters: StoredAdapters) throws -> Checkpoint {
    let others = Dictionary(uniqueKeysWithValues: tensors.names.map { ($0, shards.count) })
    return try Checkpoint(
      file: tensors.file, shards + [tensors], allNames.merging(others) { $1 }, adapters)
  }

  /// In byte order of their UTF-8.
  package var names: [String] { shardByName.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  package func shape(of name: String) throws -> [Int] {
    try coded[name]?.shape ?? shard(of: name).shape(of: name)
  }

  /// Whether the tensor is a matrix in codes.
  func isCoded(_ name: String) -> Bool { coded[name] != nil }

  var hasCodes: Bool { !coded.isEmpty }

  /// Whether there are codes of 8 bits.
  var hasRowCodes: Bool { coded.values.contains { $0.format == .int8 } }

  /// Whether tensors are what their files say, without an adapter's change.
  var isUnchanged: Bool { adapters == nil }

  private static func raw(
    _ name: String, _ shards: [any TensorFile], _ places: [String: Int], _ file: URL
  ) throws -> RawTensor {
    guard let place = places[name] else { throw CheckpointError(file, found: "no tensor \"\(name)\"", expected: "one") }
    return try shards[place].raw(name)
  }

  /// A tensor as it lies in its file, whatever its type.
  func raw(_ name: String) throws -> RawTensor { try Self.raw(name, shards, allNames, file) }

  /// Whether the tensor is numbers that a model computes with, and no buffer of whole ones, as positions are.
  func hasFloats(_ name: String) throws -> Bool {
    try coded[name] != nil || [.f16, .bf16, .f32, .f64].contains(shard(of: name).type(of: name))
  }

  /// Floats as they lie in their file.
  func storedTensor(_ name: String) throws -> StoredTensor { try shard(of: name).stored(name) }

  /// The type of the largest tensor, as arrays of it are read; matrices in codes have the type that they were made of,
  /// if their files say it.
  var mainType: DType {
    get throws {
      let sizes = try names.filter { coded[$0] == nil || coded[$0]?.dtype != nil }
        .map { (name: $0, size: try shape(of: $0).reduce(1, *)) }
      guard let largest = sizes.max(by: { $0.size < $1.size })?.name else { return .f32 }
      return try coded[largest]?.dtype ?? shard(of: largest).type(of: largest).dtype ?? .f32
    }
  }

  /// The name of its type, that of the format for a matrix in codes.
  func typeName(of name: String) throws -> String {
    try coded[name].map { $0.format.rawValue.uppercased() } ?? shard(of: name).type(of: name).rawValue
  }

  /// The weight that a model asks for, out of the tensor `stored`. A matrix stays where it is until it is laid out, and a
  /// table for good; an adapter that lies beside is merged.
  func weight(_ request: WeightRequest, from stored: String, on device: any Device) throws -> Weight {
    if let codes = coded[stored], request.use == .matrix {
      let weight = Weight(request.name, try codes.matrix(stored, on: device, raw))
      try adapters?.add(to: weight, stored)
      return weight
    }
    guard coded[stored] == nil else {
      return Weight(request.name, try self.tensor(stored, on: device), decays: request.decays)
    }
    let tensor = try shard(of: stored).stored(stored)
    let weight =
      switch request.use {
      case .matrix, .table: Weight(request.name, stored: tensor, on: device, decays: request.decays)
      case .vector: Weight(request.name, device.tensor(tensor, as: .f32), decays: request.decays)
      }
    try adapters?.add(to: weight, stored)
    return weight
  }

  /// The tensor `name` as it lies in its file, or decoded, whatever adapters lie beside.
  func stored(_ name: String, on device: any Device) throws -> StoredTensor {
    guard coded[name] != nil else { return try shard(of: name).stored(name) }
    let values = try unchanged(name, on: device)
    return StoredTensor(values.shape, .f32, bytes: values.bytes)
  }

  /// A copy of the tensor `name`, in fp32, its adapter merged.
  package func tensor(_ name: String, on device: any Device) throws -> Tensor {
    let values = try unchanged(name, on: device)
    _ = try change(values, name)
    return values
  }

  /// The same without an adapter's change.
  func unchanged(_ name: String, on device: any Device) throws -> Tensor {
    try coded[name].map { device.decoded(try $0.matrix(name, on: device, raw)) }
      ?? device.tensor(try shard(of: name).stored(name), as: .f32)
  }

  /// Adds the adapter of the tensor `name` to its numbers; false if it has none.
  func change(_ values: Tensor, _ name: String) throws -> Bool {
    try adapters?.add(to: Weight(name, values, decays: false), name) ?? false
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
    try self.init(file: index.file, shards, shardByName, nil)
  }

  /// By bytes: a slash with a mark on it is a slash.
  private static func isShard(_ name: String, _ format: Format) -> Bool {
    name.utf8.suffix(format.suffix.utf8.count).elementsEqual(format.suffix.utf8)
      && !name.utf8.contains { [0, UInt8(ascii: "/")].contains($0) }
  }
}
