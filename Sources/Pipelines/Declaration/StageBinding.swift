/// What a stage that runs is bound to.
import Foundation

/// Values for every declaration of a stage, already checked against its description.
package struct StageBinding: Sendable {
  package var inputs: [String: BoundArtifact]
  package var parameters: [String: ParameterValue]
  package var outputs: [String: URL]
  package var seed: UInt64?

  package init(
    inputs: [String: BoundArtifact] = [:], parameters: [String: ParameterValue] = [:], outputs: [String: URL] = [:],
    seed: UInt64? = nil
  ) {
    self.inputs = inputs
    self.parameters = parameters
    self.outputs = outputs
    self.seed = seed
  }
}

extension StageBinding {
  /// What is bound to a port that takes several: under its name, or in order under `name[1]`, `name[2]`, ….
  func list(_ name: String) -> [BoundArtifact] {
    inputs.map { (name: VariantName($0.key), bound: $0.value) }.filter { $0.name.base == name }
      .map { (place: $0.name.variant.flatMap(Int.init) ?? 0, bound: $0.bound) }
      .sorted { $0.place < $1.place }.map(\.bound)
  }
}

/// A model for another one that is not there.
struct BaseAlone: PermanentFailure, CustomStringConvertible {
  let base, model: String
  var description: String {
    "a model is bound to the port `\(base)`, but none to `\(model)`, whose encoder it would be"
  }
}

/// A binding that does not fit its stage; the planner's checks make it unreachable from YAML, a damaged job file not.
package struct BindingError: Error, CustomStringConvertible {
  package let kind: String
  package let name: String
  package var description: String { "the value of `\(name)` does not fit stage kind `\(kind)`" }
}
