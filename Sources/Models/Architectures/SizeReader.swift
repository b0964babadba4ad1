/// Reads an architecture out of `config.json`: what is missing, unknown or out of range is kept, and told at the end.
import Tensors

final class SizeReader {
  let file: Configuration
  private var problems: [CheckpointError] = []

  init(_ file: Configuration) { self.file = file }

  static let alone = "Nothing else is supported yet."
  /// The largest sizes. With these limits no product of two sizes overflows, and no list of a model's tensors is long.
  static let (mostIDs, mostLayers, mostWidth, mostInner) = (Int(Int32.max), 10_000, 1 << 20, 1 << 24)

  /// transformers' names; three of them are the same approximation, and two the same function.
  static let activations: [String: Activation] = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh,
  ]
  static let gates = activations.merging(["silu": .silu, "swish": .silu]) { $1 }

  /// Gives a value that does no harm where there is a wrong one.
  func read<Value>(_ harmless: Value, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as CheckpointError {
      problems.append(error)
      return harmless
    }
  }

  func refuse(_ key: String, _ found: String, _ expected: String, _ remedy: String? = nil) {
    problems.append(CheckpointError(file.file, "key \"\(key)\"", found: found, expected: expected, remedy: remedy))
  }

  /// - Parameter absent: what holds without the key; `nil`: the key must be there.
  func size(_ key: String, absent: Int? = nil, atMost most: Int) throws -> Int {
    if let absent, !file.has(key) { return absent }
    let value = try read(1) { try file.int(key) }
    if !(1...most).contains(value) { refuse(key, "\(value)", "a size from 1 to \(most)") }
    return value
  }

  func number(
    _ key: String, absent: Float, _ expected: String, _ isRight: (Float) -> Bool
  ) throws -> Float {
    guard let value = try read(nil, { try file.double(ifPresent: key) }) else { return absent }
    if !isRight(Float(value)) { refuse(key, "\(value)", expected) }
    return Float(value)
  }

  func positive(_ key: String, absent: Float) throws -> Float {
    try number(key, absent: absent, "a number above 0") { $0 > 0 && $0.isFinite }
  }

  func deviation(_ key: String = "initializer_range") throws -> Float {
    try number(key, absent: 0.02, "a number from 0") { $0 >= 0 && $0.isFinite }
  }

  func flag(_ key: String, absent: Bool = false) throws -> Bool {
    try read(absent) { try file.bool(ifPresent: key) ?? absent }
  }

  /// - Parameter absent: the name that holds without the key; `nil`: the key must be there.
  func choice<Value>(_ key: String, absent: String? = nil, among known: [String: Value]) throws -> Value? {
    let name = try read(known.keys.first ?? "") { try absent.flatMap { file.has(key) ? nil : $0 } ?? file.string(key) }
    if known[name] == nil {
      refuse(key, "\"\(name)\"", known.keys.sorted().map { "\"\($0)\"" }.joined(separator: " or "), Self.alone)
    }
    return known[name]
  }

  /// Refuses a value that means what this program does not do.
  func require(_ key: String, absentOr expected: String, _ isRight: (Configuration) throws -> Bool) throws {
    if file.has(key), try !read(true, { try isRight(file) }) {
      refuse(key, file.values[key]?.text() ?? "nothing", expected, Self.alone)
    }
  }

  var isFine: Bool { problems.isEmpty }

  /// Throws what was wrong.
  func finish() throws { if let error = CheckpointError(together: problems) { throw error } }
}

extension PackedBatch {
  /// Throws a `ModelError` on a sequence that is longer than `most`, and on an id that a table of `rows` lacks.
  func check(most: Int, rows: Int) throws {
    for sequence in 0..<count {
      let tokens = offsets[sequence]..<offsets[sequence + 1]
      let length = past[sequence] + tokens.count
      guard length <= most else {
        throw ModelError.tooLong(sequence: sequence, tokens: length, limit: most)
      }
      if let id = ids[tokens].first(where: { !(0..<Int32(rows)).contains($0) }) {
        throw ModelError.unknownToken(sequence: sequence, id: id, rows: rows)
      }
    }
  }
}
