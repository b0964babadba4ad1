/// What a model consists of, told by its configuration and the headers of its weights.
import Foundation

extension CheckpointFolder {
  /// `model_type` of config.json.
  package var modelType: String { configuration.values["model_type"]?.string ?? "" }

  /// The sizes that config.json names.
  package var sizes: [(key: String, value: Int)] { architecture.sizes.map { ($0.key, $0.size) } }

  /// How many numbers each module has, in the order of the model; of what is used.
  package var parts: [(name: String, parameters: Int)] {
    get throws {
      func module(_ name: String) -> String { String(name.prefix { $0 != "." }) }
      var counts: [String: Int] = [:]
      for name in storedNames.keys { counts[module(name), default: 0] += try shape(of: name).reduce(1, *) }
      let order = try architecture.encoderShapes.map { module($0.name) }
      let names = counts.keys.sorted {
        (order.firstIndex(of: $0) ?? .max, $0) < (order.firstIndex(of: $1) ?? .max, $1)
      }
      return names.map { ($0, counts[$0] ?? 0) } + dense.map { ("dense", $0.parameterCount) }
    }
  }

  /// How many numbers of the transformer's weights have which type in their files.
  package var types: [String: Int] {
    get throws {
      var counts: [String: Int] = [:]
      for (name, stored) in storedNames {
        counts[try checkpoint.typeName(of: stored), default: 0] += try shape(of: name).reduce(1, *)
      }
      return counts
    }
  }
}
