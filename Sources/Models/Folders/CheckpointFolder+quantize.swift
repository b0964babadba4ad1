/// Writes a model whose linear maps are in codes of 4 or 8 bits, as transformers with bitsandbytes opens it.
import Foundation
import JSONText
import Tensors

package enum Quantization: Sendable {
  /// 4 bits; `isDouble`: blocks' magnitudes are quantized themselves, to 8 bits.
  case nf4(block: Int, isDouble: Bool)
  /// 8 bits, row by row.
  case int8

  var isDouble: Bool {
    if case .nf4(_, isDouble: true) = self { true } else { false }
  }

  func encoded(_ x: StoredTensor, on device: any Device) -> CodedMatrix {
    switch self {
    case .nf4(let block, _): device.encoded(x, as: .nf4, block: block)
    case .int8: device.encoded(x, as: .int8, block: x.shape[1])
    }
  }
}

extension CheckpointFolder {
  /// Writes the folder with the matrices of its body's linear layers in codes; all else stays as it is. Heads, poolers,
  /// tables and what follows the transformer are not quantized. One matrix is held at a time.
  /// - Parameter progress: hears of the matrices done, of how many.
  /// - Returns: the numbers that are in codes now.
  /// - Throws: a `CheckpointError` if the model is in codes already, or has numbers that are not finite.
  package func writeQuantized(
    _ quantization: Quantization, to folder: URL, on device: any Device,
    progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> Int {
    guard !hasCodes else {
      throw CheckpointError(url, found: "a model in codes", expected: "one that is not quantized yet")
    }
    guard checkpoint.isUnchanged else {
      throw CheckpointError(
        url, found: "an adapter of PEFT", expected: "a whole model",
        remedy: "Quantize its base, or merge it into the base first: stage `merge`.")
    }
    try checkRewritable()
    let layers = Set(try quantizedNames)
    let matrices = checkpoint.names.filter(layers.contains)
    let skipped = try skippedModules(layers)
    try writeRest(as: try checkpoint.mainType, to: folder) { config in
      config[Self.quantizationKey] = quantization.json(skipping: skipped, compute: config)
    }
    try withoutActuallyEscaping(progress) { progress in
      var done = 0
      let parts = try matrices.flatMap { name in
        try MatrixInCodes(name, checkpoint.shape(of: name)) {
          defer {
            done += 1
            progress(done, matrices.count)
          }
          return quantization.encoded(try checkpoint.storedTensor(name), on: device)
        }.tensors(quantization, checkpoint.storedTensor(name).dtype, in: checkpoint.file)
      }
      let others = try checkpoint.names.filter { !layers.contains($0) }.map { name in
        let raw = try checkpoint.raw(name)
        return NamedTensor(name, raw.shape, as: raw.type) { raw.bytes }
      }
      try SafeTensors.write(parts + others, to: folder.appending(path: "model.safetensors"))
    }
    if !isCrossEncoder { try writeSentenceParts(to: folder, as: .f32, on: device) }
    return try matrices.reduce(0) { $0 + (try checkpoint.shape(of: $1).reduce(1, *)) }
  }

  static let quantizationKey = "quantization_config"

  /// Names in the files of the matrices of the body's linear layers: what is quantized.
  var quantizedNames: [String] {
    get throws {
      var names: [String] = []
      _ = try ModelBuilder.list { builder in
        _ = try architecture.body(builder, at: isCrossEncoder ? architecture.prefix : "")
        names = builder.linears.map(\.name)
      }
      return names.map { storedName(withoutPrefix("\($0).weight")) }
    }
  }

  /// Writes how token vectors become a sentence's, and what follows.
  func writeSentenceParts(to folder: URL, as type: DType, on device: any Device) throws {
    try write(settings, to: folder)
    for (place, module) in dense.enumerated() {
      let tensors = try module.shapes.map { name, _ in NamedTensor(name, try module.tensor(name, on: device)) }
      try module.write(tensors, as: type, to: folder.appending(path: "\(place + 2)_Dense"))
    }
  }

  /// Modules with a matrix that is not in codes, which transformers is told by name; a decoder's output has its table.
  private func skippedModules(_ layers: Set<String>) throws -> [String] {
    let kept = try checkpoint.names.filter { name in
      try name.hasSuffix(".weight") && !layers.contains(name) && checkpoint.shape(of: name).count == 2
    }.map { String($0.dropLast(".weight".count)) }
    return kept + (kept.contains("lm_head") ? [] : ["lm_head"])
  }
}

extension Quantization {
  /// As transformers' `BitsAndBytesConfig` has it.
  fileprivate func json(skipping modules: [String], compute config: JSONValue) -> JSONValue {
    let skipped = JSONValue.array(modules.map { .string($0) })
    guard case .nf4 = self else {
      return [
        "quant_method": "bitsandbytes", "load_in_4bit": false, "load_in_8bit": true, "llm_int8_threshold": 6.0,
        "llm_int8_has_fp16_weight": false, "llm_int8_skip_modules": skipped,
      ]
    }
    return [
      "quant_method": "bitsandbytes",
      "load_in_4bit": true,
      "load_in_8bit": false,
      "bnb_4bit_quant_type": "nf4",
      "bnb_4bit_use_double_quant": .bool(isDouble),
      "bnb_4bit_compute_dtype": config["dtype"] ?? config["torch_dtype"] ?? "float32",
      "bnb_4bit_quant_storage": "uint8",
      "llm_int8_skip_modules": skipped,
    ]
  }
}

/// A matrix in codes and what decodes it, encoded when the first of its tensors is written and let go after the last.
private final class MatrixInCodes {
  private let name: String
  private let shape: [Int]
  private let encode: () throws -> CodedMatrix
  private var encoded: (matrix: CodedMatrix, double: DoubleQuantization?)?

  init(_ name: String, _ shape: [Int], encode: @escaping () throws -> CodedMatrix) {
    (self.name, self.shape, self.encode) = (name, shape, encode)
  }

  /// In the order in which they are written.
  func tensors(_ quantization: Quantization, _ dtype: DType, in file: URL) -> [NamedTensor] {
    func tensor(
      _ name: String, _ shape: [Int], _ type: ElementType,
      _ bytes: @escaping (CodedMatrix, DoubleQuantization?) -> Data
    ) -> NamedTensor {
      NamedTensor(name, shape, as: type) { [self] in
        let (matrix, double) = try made(quantization, in: file)
        return bytes(matrix, double)
      }
    }
    func part(
      _ part: StoredCodes.Part, _ shape: [Int], _ type: ElementType,
      _ bytes: @escaping (CodedMatrix, DoubleQuantization?) -> Data
    ) -> NamedTensor { tensor(part.name(name), shape, type, bytes) }
    guard case .nf4(let block, let isDouble) = quantization else {
      return [
        tensor(StoredCodes.stateName(name, .int8), [shape[0]], .f32) { matrix, _ in matrix.absmax.bytes },
        tensor(name, shape, .i8) { matrix, _ in matrix.codes.bytes },
        NamedTensor(StoredCodes.orderName(name), [], as: .u8) { [self] in
          encoded = nil
          return Data([0])
        },
      ]
    }
    let (bytes, blocks) = CodedMatrix.sizes(shape, .nf4, block: block)
    let codes = tensor(name, [bytes, 1], .u8) { matrix, _ in matrix.codes.bytes }
    let levels = part(.levels, [16], .f32) { matrix, _ in Data(floats: matrix.format.levels) }
    let state = state(quantization, block, dtype, in: file)
    guard isDouble else {
      return [codes, part(.absmax, [blocks], .f32) { matrix, _ in matrix.absmax.bytes }, levels, state]
    }
    let inner = (blocks + DoubleQuantization.block - 1) / DoubleQuantization.block
    return [
      codes, part(.absmax, [blocks], .u8) { _, double in Data(double?.codes ?? []) },
      part(.nestedAbsmax, [inner], .f32) { _, double in Data(floats: double?.absmax ?? []) },
      part(.nestedLevels, [256], .f32) { _, _ in Data(floats: DoubleQuantization.levels) }, levels, state,
    ]
  }

  /// The text that names sizes and types. Its length is known before the offset is: spaces fill it up.
  private func state(_ quantization: Quantization, _ block: Int, _ dtype: DType, in file: URL) -> NamedTensor {
    var json: JSONValue = [
      "quant_type": "nf4", "blocksize": .int(block), "dtype": .string(SavedType(dtype).rawValue),
      "shape": .array(shape.map { .int($0) }),
    ]
    if quantization.isDouble {
      json["nested_blocksize"] = .int(DoubleQuantization.block)
      json["nested_dtype"] = "float32"
    }
    let mostDigits = 24
    let length = json.text().utf8.count + (quantization.isDouble ? "\"nested_offset\": , ".utf8.count + mostDigits : 0)
    return NamedTensor(StoredCodes.stateName(name, .nf4), [length], as: .u8) { [self] in
      let (_, double) = try made(quantization, in: file)
      encoded = nil
      var json = json
      if let double { json["nested_offset"] = .double(Double(double.offset)) }
      let text = Data(json.text().utf8)
      return text + Data(repeating: UInt8(ascii: " "), count: length - text.count)
    }
  }

  private func made(
    _ quantization: Quantization, in file: URL
  ) throws -> (matrix: CodedMatrix, double: DoubleQuantization?) {
    if let encoded { return encoded }
    let matrix = try encode()
    guard matrix.absmax.isFinite else {
      throw CheckpointError(
        file, "tensor \"\(name)\"", found: "a number that is not finite", expected: "numbers that have a nearest code")
    }
    let made = (matrix, quantization.isDouble ? DoubleQuantization(matrix.absmax.array) : nil)
    encoded = made
    return made
  }
}
