/// The sizes that `config.json` names, held against the tensors that are there, before anything is made that large.
import Foundation

extension CheckpointFolder {
  /// Throws a `CheckpointError` that names each key whose size is not that of the tensors.
  func checkSizes() throws {
    let wrong = try architecture.sizes.compactMap { size in
      try found(size).map { (size.key, size.size, $0) }
    }
    guard wrong.isEmpty else {
      throw CheckpointError(
        configuration.file, found: wrong.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", "),
        expected: wrong.map { "\"\($0.0)\": \($0.2)" }.joined(separator: ", "),
        remedy: "The file and \(checkpoint.file.lastPathComponent) are of two models, or one of them is damaged.")
    }
  }

  /// What the tensors have instead; nil where they agree, and where there are none, which is named when the model is
  /// built.
  private func found(_ named: NamedSize) throws -> String? {
    guard let dimension = named.dimension else {
      func has(_ index: Int) -> Bool { contains(named.tensor.replacing("*", with: "\(index)")) }
      guard !has(named.size - 1), let count = (0..<named.size).first(where: { !has($0) }) else { return nil }
      return "\(count), as many as have tensors"
    }
    guard contains(named.tensor) else { return nil }
    let shape = try shape(of: named.tensor)
    guard shape.count == 2, shape[dimension] != named.size else { return nil }
    return "\(shape[dimension]), as \(named.tensor) \(shape) has it"
  }
}
