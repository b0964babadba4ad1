/// Low-rank adapters that lie in a file beside the weights that they change, or elsewhere: W + s·B·A.
import Foundation
import Tensors

struct StoredAdapters: Sendable {
  private struct Factors {
    /// Names of A [r, in] and B [out, r] in the file.
    let down, up: String
    /// The factor s.
    let scale: Float
  }

  private let file: any TensorFile
  /// By the names of the weights that they change.
  private let factors: [String: Factors]

  /// `nil` if there are none. Takes the factors out of the file's names, and checks their shapes against the weights'.
  /// - Parameters:
  ///   - names: names in the file by the model's own.
  ///   - middle: what stands between `lora_A` and `weight`.
  ///   - weight: name and shape of the matrix of a layer, `nil` if there is none.
  ///   - scale: the factor s of a layer with an adapter of this rank; told the file's name for A, for messages.
  init?(
    takenFrom names: inout [String: String], of file: any TensorFile, middle: String = "",
    weight: (String) throws -> (name: String, shape: [Int])?,
    scale: (_ layer: String, _ rank: Int, _ down: String) throws -> Double
  ) throws {
    let (downEnd, upEnd) = (".lora_A\(middle).weight", ".lora_B\(middle).weight")
    var factors: [String: Factors] = [:]
    for (name, down) in names where name.hasSuffix(downEnd) {
      let layer = String(name.dropLast(downEnd.count))
      guard let (weight, shape) = try weight(layer), let up = names["\(layer)\(upEnd)"] else {
        throw CheckpointError(
          file.file, "tensor \"\(down)\"", found: "no weight or no lora_B beside it", expected: "both")
      }
      let (a, b) = try (file.shape(of: down), file.shape(of: up))
      guard a.count == 2, b.count == 2, b[1] == a[0], shape == [b[0], a[1]] else {
        throw CheckpointError(
          file.file, "tensor \"\(down)\"", found: "\(a) and \(b) on \(shape)",
          expected: "[r, in] and [out, r] on [out, in]")
      }
      factors[weight] = Factors(down: down, up: up, scale: Float(try scale(layer, a[0], down)))
    }
    names = names.filter { !$0.key.hasSuffix(downEnd) && !$0.key.hasSuffix(upEnd) }
    guard !factors.isEmpty else { return nil }
    self.file = file
    self.factors = factors
  }

  /// Merges the adapter of the weight `name`; false if it has none.
  @discardableResult
  func add(to weight: Weight, _ name: String) throws -> Bool {
    guard let factors = factors[name] else { return false }
    func read(_ name: String) throws -> Weight {
      Weight(name, weight.device.tensor(try file.stored(name), as: .f32), decays: true)
    }
    weight.merge(
      Adapter(down: try read(factors.down), up: try read(factors.up), scale: factors.scale, dropout: 0))
    return true
  }
}

/// Some of a file's tensors under other names.
struct RenamedTensors: TensorFile {
  let stored: any TensorFile
  /// Names in the file by the new ones.
  let storedNames: [String: String]

  var file: URL { stored.file }
  var names: [String] { Array(storedNames.keys) }
  func contains(_ name: String) -> Bool { storedNames[name] != nil }
  func shape(of name: String) throws -> [Int] { try stored.shape(of: storedNames[name] ?? name) }
  func type(of name: String) throws -> ElementType { try stored.type(of: storedNames[name] ?? name) }
  func stored(_ name: String) throws -> StoredTensor { try stored.stored(storedNames[name] ?? name) }
  func raw(_ name: String) throws -> RawTensor { try stored.raw(storedNames[name] ?? name) }
}
