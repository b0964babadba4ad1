/// Matrices in 4 or 8 bits as bitsandbytes keeps them: codes under a weight's own name, and beside it what decodes them.
import Foundation
import JSONText
import Tensors

/// What the files say of one matrix, checked against its tensors.
struct StoredCodes: Sendable {
  let shape: [Int]
  let format: CodeFormat
  let block: Int
  /// The type of the numbers that were encoded; of 8 bits no file says it.
  let dtype: DType?
  /// Where the blocks' magnitudes are in 8 bits themselves.
  let nested: Nested?

  struct Nested: Sendable {
    let block: Int
    let offset: Float
  }

  /// What stands behind a weight's name.
  enum Part: String, CaseIterable {
    case absmax
    case levels = "quant_map"
    case nestedAbsmax = "nested_absmax"
    case nestedLevels = "nested_quant_map"

    func name(_ weight: String) -> String { "\(weight).\(rawValue)" }
  }

  /// What the name of a matrix ends in, and that of the tensor which says how it is encoded.
  private static func ends(_ format: CodeFormat) -> (weight: String, state: String) {
    format == .int8 ? ("weight", "SCB") : ("", ".quant_state.bitsandbytes__\(format.rawValue)")
  }

  static func stateName(_ weight: String, _ format: CodeFormat) -> String {
    String(weight.dropLast(ends(format).weight.count)) + ends(format).state
  }

  /// In 8 bits the order of the codes: 0, rows one after another.
  static func orderName(_ weight: String) -> String { "\(weight)_format" }

  /// What stands beside a matrix.
  static func names(beside weight: String) -> [String] {
    Part.allCases.map { $0.name(weight) } + CodeFormat.allCases.map { stateName(weight, $0) } + [orderName(weight)]
  }

  private var sizes: (bytes: Int, blocks: Int) { CodedMatrix.sizes(shape, format, block: block) }

  /// The weight whose state a tensor of this name is.
  static func weight(ofState name: String) -> (name: String, format: CodeFormat)? {
    for format in CodeFormat.allCases {
      let (weight, state) = ends(format)
      guard name.hasSuffix(format == .int8 ? ".\(state)" : state) else { continue }
      return (String(name.dropLast(state.count)) + weight, format)
    }
    return nil
  }

  /// - Parameter tensor: type, shape and bytes of a tensor; throws if there is none.
  init(_ weight: String, _ format: CodeFormat, in file: URL, _ tensor: (String) throws -> RawTensor) throws {
    self = try format == .int8 ? Self(rows: weight, in: file, tensor) : Self(blocks: weight, format, in: file, tensor)
  }

  /// Reads a matrix of LLM.int8's codes of 8 bits, whose rows have a magnitude each.
  private init(rows weight: String, in file: URL, _ tensor: (String) throws -> RawTensor) throws {
    func check(_ name: String, _ type: ElementType, _ shape: [Int], _ found: RawTensor, _ isRight: Bool) throws {
      guard found.type != type || !isRight else { return }
      throw CheckpointError(
        file, "tensor \"\(name)\"", found: "\(found.shape) of \(found.type.rawValue)",
        expected: "\(shape) of \(type.rawValue), as LLM.int8's are")
    }
    let codes = try tensor(weight)
    let isMatrix = codes.shape.count == 2 && codes.shape.allSatisfy { (1...1 << 20).contains($0) }
    try check(weight, .i8, isMatrix ? codes.shape : [1, 1], codes, isMatrix)
    let state = Self.stateName(weight, .int8)
    let most = try tensor(state)
    try check(state, .f32, [codes.shape[0]], most, most.shape == [codes.shape[0]])
    let order = try tensor(Self.orderName(weight))
    guard order.type == .u8, order.bytes.elementsEqual([0]) else {
      throw CheckpointError(
        file, "tensor \"\(Self.orderName(weight))\"", found: "\(order.bytes.prefix(8).map { $0 })",
        expected: "0: codes row by row", remedy: "Load it with bitsandbytes 0.43 or newer and save it again.")
    }
    (shape, format, block, dtype, nested) = (codes.shape, .int8, codes.shape[1], nil, nil)
  }

  /// Reads a matrix of codes of 4 bits, whose blocks have a magnitude each.
  private init(
    blocks weight: String, _ format: CodeFormat, in file: URL, _ tensor: (String) throws -> RawTensor
  ) throws {
    let name = Self.stateName(weight, format)
    func error(_ found: String, _ expected: String) -> CheckpointError {
      CheckpointError(file, "tensor \"\(name)\"", found: found, expected: expected)
    }
    let state: JSONValue = try tensor(name).bytes.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes, maximumDepth: 3)
      do throws(JSONError) { return try reader.onlyValue() } catch {
        throw CheckpointError(
          file, "tensor \"\(name)\", byte \(error.offset)", found: error.found, expected: error.expected)
      }
    }
    func value<T>(_ key: String, _ expected: String, _ read: (JSONValue) -> T?) throws -> T {
      guard let found = state[key] else { throw error("no key \"\(key)\"", expected) }
      guard let value = read(found) else { throw error("\"\(key)\": \(found.text())", expected) }
      return value
    }
    self.format = format
    _ = try value("quant_type", "\"\(format.rawValue)\"") { $0.string == format.rawValue ? true : nil }
    block = try value("blocksize", codeBlocks.map { "\($0)" }.joined(separator: ", ")) { value in
      value.int.flatMap { codeBlocks.contains($0) ? $0 : nil }
    }
    let types = ["float32": DType.f32, "bfloat16": .bf16, "float16": .f16]
    dtype = try value("dtype", types.keys.sorted().joined(separator: ", ")) { $0.string.flatMap { types[$0] } }
    // What lies in a file has less than 2⁴⁰ elements.
    let shape = try value("shape", "two sizes from 1") { value -> [Int]? in
      let sizes = value.elements?.compactMap(\.int) ?? []
      return sizes.count == 2 && sizes.allSatisfy { (1...1 << 20).contains($0) } ? sizes : nil
    }
    let isNested = state["nested_offset"] != nil
    nested =
      isNested
      ? Nested(
        block: try value("nested_blocksize", "256, a power of two") { value in
          value.int.flatMap { (1...1 << 20).contains($0) && $0.nonzeroBitCount == 1 ? $0 : nil }
        }, offset: try value("nested_offset", "a number", \.float)) : nil
    self.shape = shape
    try check(weight, in: file, tensor)
  }

  private func check(_ weight: String, in file: URL, _ tensor: (String) throws -> RawTensor) throws {
    let (bytes, blocks) = sizes
    var parts: [(name: String, bytes: Int, type: ElementType?)] = [(weight, bytes, nil)]
    parts.append((Part.absmax.name(weight), nested == nil ? 4 * blocks : blocks, nested == nil ? .f32 : .u8))
    if let nested {
      parts.append((Part.nestedAbsmax.name(weight), 4 * ((blocks + nested.block - 1) / nested.block), .f32))
      parts.append((Part.nestedLevels.name(weight), 4 * 256, .f32))
    }
    for (name, bytes, type) in parts {
      let found = try tensor(name)
      guard found.bytes.count == bytes, type == nil || found.type == type else {
        throw CheckpointError(
          file, "tensor \"\(name)\"", found: "\(found.bytes.count) bytes of \(found.type.rawValue)",
          expected: "\(bytes)\(type.map { " of \($0.rawValue)" } ?? "") for \(shape) in blocks of \(block)")
      }
    }
  }

  /// A copy on the device.
  func matrix(_ weight: String, on device: any Device, _ tensor: (String) throws -> RawTensor) throws -> CodedMatrix {
    let codes = try tensor(weight)
    return CodedMatrix(
      shape, format, block: block,
      codes: device.tensor(StoredTensor([sizes.bytes], .u8, bytes: codes.bytes, isMapped: codes.isMapped)),
      absmax: device.tensor(try absmax(weight, tensor)))
  }

  private func absmax(_ weight: String, _ tensor: (String) throws -> RawTensor) throws -> StoredTensor {
    let (name, blocks) = (format == .int8 ? Self.stateName(weight, format) : Part.absmax.name(weight), sizes.blocks)
    let stored = try tensor(name).bytes
    guard let nested else { return StoredTensor([blocks], .f32, bytes: stored) }
    let (inner, levels) = try (
      tensor(Part.nestedAbsmax.name(weight)).bytes.floats, tensor(Part.nestedLevels.name(weight)).bytes.floats
    )
    let values = stored.withUnsafeBytes { codes in
      codes.indices.map { levels[Int(codes[$0])] * inner[$0 / nested.block] + nested.offset }
    }
    return StoredTensor(values, [blocks])
  }
}

/// A tensor as it lies in a file, whatever its type.
struct RawTensor: Sendable {
  let type: ElementType
  let shape: [Int]
  let bytes: Data
  /// Whether they lie in a mapped file.
  let isMapped: Bool
}

extension Data {
  init(floats: [Float]) { self = floats.withUnsafeBytes { Data($0) } }

  /// Little-endian floats at any address.
  package var floats: [Float] {
    withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}
