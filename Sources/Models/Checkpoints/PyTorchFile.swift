/// Reads what `torch.save` writes: a zip archive of a pickle that describes tensors, and of the bytes that they look at.
import Basics
import Foundation
import Tensors

/// A checked checkpoint of PyTorch 1.6 or later.
struct PyTorchFile: TensorFile {
  let file: URL
  /// In the pickle's order.
  let names: [String]
  private let views: [String: TensorView]
  /// The whole file, mapped.
  private let data: Data

  /// Hundreds of bytes describe a tensor.
  private static let longestPickle = 16 << 20

  /// - Parameter root: the model's folder, out of which no link may lead.
  init(contentsOf file: URL, in root: URL) throws {
    data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
      try ForeignFile.mapped(file, in: root)
    }
    self.file = file
    (names, views) = try data.withUnsafeBytes { try Self.tensors($0, file) }
  }

  func contains(_ name: String) -> Bool { views[name] != nil }

  func shape(of name: String) throws -> [Int] { try view(name).shape }

  func type(of name: String) throws -> ElementType { try view(name).type }

  func stored(_ name: String) throws -> StoredTensor {
    let view = try view(name)
    return try view.type.stored(
      name, view.shape, elements(of: view), isMapped: view.isContiguous, in: file)
  }

  func raw(_ name: String) throws -> RawTensor {
    let view = try view(name)
    return RawTensor(type: view.type, shape: view.shape, bytes: elements(of: view), isMapped: view.isContiguous)
  }

  /// The elements one after another: where they lie, if they do so there.
  private func elements(of view: TensorView) -> Data {
    let size = view.type.bits / 8
    let storage = data[data.startIndex + view.storage.lowerBound..<data.startIndex + view.storage.upperBound]
    func bytes(_ start: Int, _ count: Int) -> Data {
      storage[storage.startIndex + start * size..<storage.startIndex + (start + count) * size]
    }
    let count = view.shape.reduce(1, *)
    if count == 0 { return Data() }
    if view.isContiguous { return bytes(view.offset, count) }
    let (length, stride) = (view.shape.last ?? 1, view.strides.last ?? 1)
    var elements = Data(capacity: count * size)
    // Rows along the last dimension: where they begin, the later dimensions first.
    var index = [Int](repeating: 0, count: max(0, view.shape.count - 1))
    repeat {
      let start = zip(index, view.strides).reduce(view.offset) { $0 + $1.0 * $1.1 }
      if stride == 1 {
        elements += bytes(start, length)
      } else {
        for element in 0..<length { elements += bytes(start + element * stride, 1) }
      }
    } while Self.advance(&index, view.shape)
    return elements
  }

  /// To the next index of all dimensions but the last; `false` after the last one.
  private static func advance(_ index: inout [Int], _ shape: [Int]) -> Bool {
    for dimension in index.indices.reversed() {
      index[dimension] += 1
      if index[dimension] < shape[dimension] { return true }
      index[dimension] = 0
    }
    return false
  }

  private func view(_ name: String) throws -> TensorView {
    guard let view = views[name] else {
      throw CheckpointError(file, found: "no tensor \"\(name)\"", expected: "one")
    }
    return view
  }
}

extension PyTorchFile {
  private static func tensors(_ bytes: UnsafeRawBufferPointer, _ file: URL) throws -> ([String], [String: TensorView]) {
    if bytes.first == 0x80 {
      throw CheckpointError(
        file, found: "the format that PyTorch wrote before 1.6", expected: "its zip format", remedy: remedy(file))
    }
    let entries = try ZipArchive(bytes, file: file).entries
    let described = entries.filter { $0.name.utf8.reversed().starts(with: "/data.pkl".utf8.reversed()) }
    guard described.count == 1, let description = described.first else {
      throw CheckpointError(
        file, found: "\(described.count) entries data.pkl", expected: "one, as `torch.save` writes it",
        remedy: remedy(file))
    }
    let prefix = Array(description.name.utf8.dropLast("data.pkl".utf8.count))
    let entryByName = Dictionary(uniqueKeysWithValues: entries.map { (Array($0.name.utf8), $0.bytes) })
    if entryByName[prefix + Array("constants.pkl".utf8)] != nil {
      throw CheckpointError(
        file, found: "a TorchScript program", expected: "tensors: what `torch.save(model.state_dict(), …)` writes")
    }
    if let entry = entries.first(where: { $0.change != nil }) {
      throw CheckpointError(
        file, "entry \"\(entry.name)\"", found: "\(entry.change ?? "") bytes",
        expected: "bytes that are stored as they are, as `torch.save` stores them")
    }
    if let order = entryByName[prefix + Array("byteorder".utf8)], !bytes[order].elementsEqual("little".utf8) {
      throw CheckpointError(file, "byteorder", found: "another than little", expected: "little", remedy: remedy(file))
    }
    guard description.bytes.count <= longestPickle else {
      throw CheckpointError(
        file, "data.pkl", found: "\(description.bytes.count) bytes", expected: "at most \(longestPickle)")
    }
    let pickle = try Pickle(UnsafeRawBufferPointer(rebasing: bytes[description.bytes]), file: file) { key in
      entryByName[prefix + Array("data/\(key)".utf8)]
    }
    return try tensors(of: pickle, file)
  }

  /// The tensors of a dictionary of names, or of one that such a dictionary is kept in beside other things.
  private static func tensors(of pickle: Pickle, _ file: URL) throws -> ([String], [String: TensorView]) {
    func members(_ id: Pickle.ID) throws -> [(name: String, value: Pickle.ID)] {
      guard case .dictionary(let members) = pickle[id] else {
        throw CheckpointError(
          file, found: pickle[id].kind, expected: "a dictionary of tensors: what `state_dict()` gives")
      }
      return try members.map { member in
        guard case .text(let name) = pickle[member.key] else {
          throw CheckpointError(file, found: "\(pickle[member.key].kind) as a tensor's name", expected: "a text")
        }
        return (name, member.value)
      }
    }
    var tensors = try members(pickle.root)
    let inner = tensors.first { ["model_state_dict", "state_dict"].contains($0.name) }
    if let inner, case .dictionary = pickle[inner.value] { tensors = try members(inner.value) }
    var views: [String: TensorView] = [:]
    for (name, value) in tensors {
      guard case .tensor(let view) = pickle[value] else {
        throw CheckpointError(file, "\"\(name)\"", found: pickle[value].kind, expected: "a tensor")
      }
      guard views.updateValue(view, forKey: name) == nil else {
        throw CheckpointError(file, found: "two tensors \"\(name)\"", expected: "one")
      }
    }
    return (tensors.map(\.name), views)
  }

  /// What to do with a checkpoint that is not read.
  static func remedy(_ file: URL) -> String {
    """
    Convert it once, with Python, if you trust where it comes from:
      import torch
      from safetensors.torch import save_file
      state = torch.load("\(file.lastPathComponent)", map_location="cpu", weights_only=True)
      state = state.get("model_state_dict", state)
      save_file({name: tensor.clone().contiguous() for name, tensor in state.items()},
                "model.safetensors", {"format": "pt"})
    """
  }
}
