/// Merges an adapter into the model that it was trained on, decoded or as it was before it was quantized, and measures
/// what either costs.
import Foundation
import Tensors

package struct ModelMerge {
  /// What an adapter's matrix is added to.
  package enum Target: String, Sendable, CaseIterable {
    /// The numbers that the adapter was trained beside.
    case dequantized
    /// Those that were quantized: the model changes by the rounding, too, which the adapter has learnt to live with.
    case original
  }

  /// Mean and largest magnitudes of differences of one matrix.
  package struct Change: Sendable, Codable {
    package let matrix: String
    /// What quantizing changed; absent where the matrix was not quantized.
    package var rounding: Size?
    /// What the adapter changed.
    package let adapter: Size
  }

  package struct Size: Sendable, Codable {
    package let mean, largest: Double

    init(_ numbers: [Float]) {
      mean = numbers.reduce(0) { $0 + Double(abs($1)) } / Double(max(1, numbers.count))
      largest = Double(numbers.reduce(0) { max($0, abs($1)) })
    }
  }

  private let folder: CheckpointFolder
  private let target: Target
  /// How the base was quantized before the adapter was trained; absent: not here.
  private let quantization: Quantization?

  /// - Parameters:
  ///   - adapter: PEFT's folder, or a trained model's that has it in `adapter/`.
  ///   - base: what the adapter changes, as it was before `quantization`.
  package init(_ adapter: URL, over base: URL, into target: Target, quantization: Quantization?) throws {
    let inner = adapter.appending(path: "adapter")
    let hasInner = FileManager.default.fileExists(atPath: inner.appending(path: AdapterFolder.fileName).path)
    folder = try CheckpointFolder(hasInner ? inner : adapter, base: base)
    (self.target, self.quantization) = (target, quantization)
    guard folder.hasCodes, target == .original || quantization != nil else { return }
    throw CheckpointError(
      base, found: "a model in codes", expected: "the model before it was quantized",
      remedy: "Codes do not say what they were made of: merge into them without `quantization` and with "
        + "`into: dequantized`, or name the original at the port `base`.")
  }

  /// Writes the merged model in the base's type. Returns what changes each matrix that has an adapter.
  package func write(to folder: URL, on device: any Device) throws -> [Change] {
    try self.folder.checkRewritable()
    let (checkpoint, type) = try (self.folder.checkpoint, self.folder.checkpoint.mainType)
    let layers = Set(try self.folder.quantizedNames)
    var changes: [Change] = []
    try self.folder.writeRest(as: type, to: folder)
    let quantization = quantization
    try SafeTensors.write(
      checkpoint.names.map { name in
        guard try checkpoint.hasFloats(name) else {
          let raw = try checkpoint.raw(name)
          return NamedTensor(name, raw.shape, as: raw.type) { raw.bytes }
        }
        return NamedTensor(name, try checkpoint.shape(of: name)) { [target] in
          let base = try checkpoint.unchanged(name, on: device)
          var rounded = base
          if let quantization, layers.contains(name) { rounded = base.rounded(quantization) }
          let merged = rounded.copy()
          if try checkpoint.change(merged, name) {
            let own = zip(merged.array, rounded.array).map { $0 - $1 }
            let rounding = zip(rounded.array, base.array).map { $0 - $1 }
            changes.append(
              Change(matrix: name, rounding: quantization == nil ? nil : Size(rounding), adapter: Size(own)))
          }
          guard target == .original else { return merged.bytes }
          _ = try checkpoint.change(base, name)
          return base.bytes
        }
      }, as: type, to: folder.appending(path: "model.safetensors"))
    if !self.folder.isCrossEncoder { try self.folder.writeSentenceParts(to: folder, as: type, on: device) }
    return changes
  }
}

extension Tensor {
  /// The numbers that codes of these stand for.
  fileprivate func rounded(_ quantization: Quantization) -> Tensor {
    let coded = quantization.encoded(StoredTensor(shape, .f32, bytes: bytes), on: device)
    guard quantization.isDouble else { return device.decoded(coded) }
    let absmax = DoubleQuantization(coded.absmax.array).decoded
    return device.decoded(
      CodedMatrix(
        shape, coded.format, block: coded.block, codes: coded.codes,
        absmax: device.tensor(absmax, [absmax.count])))
  }
}
