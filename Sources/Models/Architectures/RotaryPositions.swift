/// The angles of rotary positions: frequencies by θ, perhaps stretched for longer texts than a model was trained on.
import Foundation
import JSONText
import Tensors

struct RotaryPositions: Hashable, Sendable {
  enum Scaling: Hashable, Sendable {
    case none
    /// Positions are divided by the factor.
    case linear(Double)
    /// Slow turns are divided by the factor, fast ones are left, those between blend (Llama 3.1).
    case llama3(factor: Double, low: Double, high: Double, trained: Double)
  }
  var theta: Double
  var scaling = Scaling.none

  /// One for every two elements of a head of this width, in radians a position.
  func frequencies(width: Int) -> [Float] {
    stride(from: 0, to: width, by: 2).map { place in
      let plain = Double(Float(1 / pow(theta, Double(place) / Double(width))))
      switch scaling {
      case .none: return Float(plain)
      case .linear(let factor): return Float(plain / factor)
      case .llama3(let factor, let low, let high, let trained):
        let turns = trained * plain / (2 * Double.pi)
        if turns > high { return Float(plain) }
        if turns < low { return Float(plain / factor) }
        let share = (turns - low) / (high - low)
        return Float((1 - share) * plain / factor + share * plain)
      }
    }
  }
}

extension RotaryPositions {
  /// What `config.json` says for layers of one type, in the names of transformers 4 (`rope_theta`, `rope_scaling`) or 5
  /// (`rope_parameters`, perhaps one for each type of layer).
  /// - Parameters:
  ///   - layers: the type.
  ///   - key: that of θ beside the parameters.
  ///   - scales: whether parameters that are not told by type hold for these layers.
  init(
    _ reader: SizeReader, layers: String = "full_attention", key: String = "rope_theta", theta: Double = 10_000,
    scales: Bool = true
  ) throws {
    let file = reader.file
    let names = ["rope_parameters", "rope_scaling"]
    let all = names.lazy.compactMap { file.values[$0] }.first { $0 != .null }
    let own = all?[layers] ?? (scales && all?["sliding_attention"] == nil ? all : nil) ?? .object([])
    let parameters = Configuration(file: file.file, values: own)
    func number(_ key: String, absent: Double? = nil) throws -> Double {
      let value = try reader.read(1) {
        try parameters.double(ifPresent: key) ?? absent ?? file.double(key)
      }
      if !(value > 0 && value.isFinite) { reader.refuse(key, "\(value)", "a number above 0") }
      return value > 0 && value.isFinite ? value : 1
    }
    self.theta = try number(
      "rope_theta", absent: reader.read(theta) { try file.double(ifPresent: key) ?? theta })
    let type = try reader.read("default") {
      try parameters.string(ifPresent: "rope_type") ?? parameters.string(ifPresent: "type") ?? "default"
    }
    switch type {
    case "default": scaling = .none
    case "linear": scaling = .linear(try number("factor"))
    case "llama3":
      scaling = .llama3(
        factor: try number("factor"), low: try number("low_freq_factor"), high: try number("high_freq_factor"),
        trained: try number("original_max_position_embeddings", absent: Double(file.int("max_position_embeddings"))))
    default:
      reader.refuse("rope_type", "\"\(type)\"", "\"default\" or \"linear\" or \"llama3\"", SizeReader.alone)
    }
    let share = try number("partial_rotary_factor", absent: file.double(ifPresent: "partial_rotary_factor") ?? 1)
    if share != 1 { reader.refuse("partial_rotary_factor", "\(share)", "1: all of a head is turned", SizeReader.alone) }
  }
}

/// Layers of two types, some of which see a window alone.
struct LayerPattern: Hashable, Sendable {
  /// Which layers see a window.
  var isLocal: [Bool]
  var global, local: RotaryPositions

  /// The types of layers out of `layer_types`, or by `isLocal` where there are none.
  static func read(_ reader: SizeReader, count: Int, _ isLocal: (Int) -> Bool) throws -> [Bool] {
    guard reader.file.has("layer_types") else { return (0..<min(count, SizeReader.mostLayers)).map(isLocal) }
    let types = reader.file.values["layer_types"]?.elements ?? []
    let known = types.map { type in ["sliding_attention": true, "full_attention": false][type.string ?? ""] }
    guard types.count == count, !known.contains(nil) else {
      reader.refuse(
        "layer_types", reader.file.values["layer_types"]?.text() ?? "",
        "\(count) of \"full_attention\" and \"sliding_attention\"")
      return []
    }
    return known.map { $0 == true }
  }
}
