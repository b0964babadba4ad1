/// Stages that quantize the models of those that ask for it with `quantization`: `NAME.quantized` before `NAME`.
import Foundation

extension Planner {
  /// The parameter, which enters no key: the quantized model does.
  static let quantization = "quantization"
  private static let kind = (name: "quantize", input: "model", output: "quantized")

  /// Puts a `quantize` stage before each model of a stage whose parameters say so, or before the one that trains. Of an
  /// adapter with a base it is the base that is quantized.
  func quantize(_ drafts: inout [Draft]) {
    guard let description = catalog.describe(Self.kind.name) else { return }
    for index in drafts.indices {
      guard case .map(let parameters)? = drafts[index].stage.parameters[Self.quantization] else { continue }
      let inputs = drafts[index].stage.description.inputs.filter { $0.modelUse != nil }
      let ports = inputs.prefix(drafts[index].stage.description.trains ? 1 : inputs.count).compactMap { input in
        [input.modelBase, input.name].compactMap { $0 }
          .first { port in drafts[index].bindings.contains { $0.port == port } }
      }
      for port in ports {
        guard let place = drafts[index].bindings.firstIndex(where: { $0.port == port }) else { continue }
        let suffix = ports.count > 1 ? "quantized-\(port)" : "quantized"
        let name = "\(drafts[index].spec.name).\(suffix)"
        var quantized = quantizing(drafts[index], description, named: name, parameters)
        quantized.bindings = [drafts[index].bindings[place]]
        quantized.bindings[0].port = Self.kind.input
        drafts[index].bindings[place].reference = .output(
          OutputReference(stage: quantized.spec.name, port: Self.kind.output))
        drafts[index].bindings[place].producers = [drafts.count]
        drafts[index].isQuantized = true
        drafts.append(quantized)
      }
    }
  }

  private func quantizing(
    _ draft: Draft, _ description: StageDescription, named name: String, _ parameters: [String: ParameterValue]
  ) -> Draft {
    var spec = draft.spec
    spec.name = name
    var stage = PlannedStage(
      id: StageID(index: 0), base: name, coordinates: spec.matrix.coordinates, location: draft.stage.location,
      description: description, parameters: parameters,
      outputs: description.outputs.map { PlannedOutput(port: $0.name, type: $0.type, file: $0.file) },
      compute: draft.stage.compute)
    stage.reservedMemory = draft.stage.reservedMemory
    stage.backOff = draft.stage.backOff
    return Draft(spec: spec, stage: stage, isSound: draft.isSound)
  }
}
