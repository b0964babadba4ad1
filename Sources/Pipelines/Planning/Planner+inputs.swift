/// What goes into each stage: its references resolved to variants, ordered, and checked for their types.
import Basics
import Foundation

extension Planner {
  func bind(_ drafts: inout [Draft]) {
    let ports = drafts.map { draft in
      (draft.spec.name, draft.stage.description.isUnknown ? nil : draft.stage.outputs.map(\.port))
    }
    var resolver = ReferenceResolver(diagnostics, ports: Dictionary(ports) { first, _ in first })
    let variants = Dictionary(grouping: drafts.indices) { drafts[$0].spec.name }
    let matrices = drafts.map(\.spec.matrix)
    var gathered = 0
    for index in drafts.indices {
      let spec = drafts[index].spec
      let description = drafts[index].stage.description
      let entries = spec.fields["in"]?.entries(of: "`in`", diagnostics) ?? []
      for entry in entries {
        if entry.value.mayBeSeveral, description.inputs.contains(where: { $0.name == entry.key && $0.isList }) {
          let members = resolver.list(entry.value, named: "in.\(entry.key)")
          drafts[index].isSound = drafts[index].isSound && members != nil
          let bindings = (members ?? []).flatMap { expand($0, entry.key, spec.matrix, variants, matrices) }
          gathered += bindings.count
          if gathered > 10 * mostVariants { return report(gatheringAt: entry.value.mark) }
          if members != nil && bindings.isEmpty {
            diagnostics.report("no variant of the stage agrees with the matrix of `\(spec.name)`", at: entry.value.mark)
            drafts[index].isSound = false
          }
          drafts[index].bindings += numbered(bindings)
          continue
        }
        let reference = resolver.resolve(entry.value, named: "in.\(entry.key)")
        drafts[index].isSound = drafts[index].isSound && reference != nil
        if !description.isUnknown && !description.inputs.contains(where: { $0.name == entry.key }) {
          let names = description.inputs.map(\.name)
          diagnostics.report(
            "stage kind `\(description.kind.name)` has no input `\(entry.key.shortened)`; it has "
              + names.joined(last: "and"), at: entry.mark, suggestion: nearest(to: entry.key, in: names))
        } else if let reference {
          var binding = Binding(port: entry.key, mark: entry.value.mark, reference: reference)
          if case .output(let output) = reference {
            binding.producers = producers(
              of: spec.matrix, among: variants[output.stage] ?? [], matrices, gathers: output.gathers)
            gathered += binding.producers.count
            if gathered > 10 * mostVariants { return report(gatheringAt: entry.value.mark) }
            if output.gathers && drafts[index].stage.description.kind.name != "cmd" {
              report(gathering: entry.key, of: spec.name, at: entry.value.mark)
            }
          }
          drafts[index].bindings.append(binding)
        }
      }
      for input in description.inputs where !input.isOptional && !entries.contains(where: { $0.key == input.name }) {
        diagnostics.report(
          "stage `\(spec.name)` needs the input `\(input.name)`: \(input.documentation)",
          at: spec.fields["in"]?.mark ?? spec.mark)
        drafts[index].isSound = false
      }
    }
  }

  /// A member of a list for each artifact that it stands for: of a gather one for each variant.
  private func expand(
    _ member: ReferenceResolver.Member, _ port: String, _ matrix: Combination, _ variants: [String: [Int]],
    _ matrices: [Combination]
  ) -> [Binding] {
    var binding = Binding(port: port, mark: member.mark, reference: member.reference)
    guard case .output(var output) = member.reference else { return [binding] }
    let gathers = output.gathers
    let producers = producers(of: matrix, among: variants[output.stage] ?? [], matrices, gathers: gathers)
    output.gathers = false  // each has a binding of its own
    binding.reference = .output(output)
    return (gathers ? producers.map { [$0] } : [producers]).map { producers in
      binding.producers = producers
      return binding
    }
  }

  /// Members of a list with ports of their own, `data[1]`, `data[2]`; one alone has the port's.
  private func numbered(_ bindings: [Binding]) -> [Binding] {
    guard bindings.count > 1 else { return bindings }
    let files = bindings.compactMap { if case .file(let url) = $0.reference { url } else { nil } }
    var labels = labels(of: files).makeIterator()
    return bindings.enumerated().map { place, binding in
      var member = binding
      member.port += "[\(place + 1)]"
      member.isMember = true
      if case .file = member.reference { member.label = labels.next() }
      return member
    }
  }

  private func report(gatheringAt mark: Mark) {
    diagnostics.report("stages gather more than \(10 * mostVariants) outputs", at: mark)
  }

  private func report(gathering port: String, of stage: String, at mark: Mark) {
    diagnostics.report(
      "the input `\(port)` of stage `\(stage)` takes one artifact; only `cmd` stages gather several", at: mark)
  }

  /// The variants that a stage with `matrix` takes an output from: the one that agrees with all of it, or, gathering,
  /// every one that does not contradict it.
  private func producers(
    of matrix: Combination, among variants: [Int], _ matrices: [Combination], gathers: Bool
  ) -> [Int] {
    if gathers { return variants.filter { matrix.joined(matrices[$0]) != nil } }
    let fitting = variants.filter { matrices[$0].isPart(of: matrix) }
    return fitting.max { matrices[$0].count < matrices[$1].count }.map { [$0] } ?? []
  }

  func report(_ cycle: [Int], of drafts: [Draft]) {
    let stages = cycle.map { drafts[$0] }
    let names = (stages + [stages[0]]).map(\.spec.name)
    let next = cycle[cycle.count > 1 ? 1 : 0]
    let mark = stages[0].bindings.first { $0.producers.contains(next) }?.mark
    diagnostics.report(
      "these stages wait for each other: \(names.joined(separator: " ← "))", at: mark ?? stages[0].spec.mark)
  }

  /// The stage with its inputs, given the ids of all stages before it, by draft.
  func complete(
    _ draft: Draft, _ id: StageID, _ ids: [Int: StageID], _ drafts: [Draft], _ plan: inout Plan
  ) -> PlannedStage {
    var stage = draft.stage
    stage.id = id
    var isBound = true
    for binding in draft.bindings {
      let port = binding.port
      let location = diagnostics.location(binding.mark)
      switch binding.reference {
      case .file(let url):
        stage.inputs.append(
          PlannedInput(port: port, source: .file(url), type: nil, location: location, label: binding.label))
      case .hub(let model):
        stage.inputs.append(PlannedInput(port: port, source: .hub(model), type: .model, location: location))
      case .output(let output):
        for draft in binding.producers {
          guard let producer = ids[draft] else {
            isBound = false  // in a cycle, which is reported
            continue
          }
          let type = plan[producer].outputs.first { $0.port == output.port }?.type
          let own = drafts[draft].spec.matrix.filter { value in stage.coordinates.allSatisfy { $0.name != value.name } }
          stage.inputs.append(
            PlannedInput(
              port: output.gathers ? port + own.coordinates.suffix : port, source: .stage(producer, port: output.port),
              type: type,
              location: location, label: binding.isMember ? "\(plan[producer].name).\(output.port)" : nil))
        }
      }
    }
    stage.inputs.sort { $0.port < $1.port }
    let fit = checkTypes(stage)
    for (index, output) in stage.outputs.enumerated() {
      guard let like = stage.description.outputs.first(where: { $0.name == output.port })?.like else { continue }
      // A member of a list has its port's name with a number behind it.
      let bound = stage.inputs.filter { $0.label == nil ? $0.port == like : $0.declaredPort == like }
      stage.outputs[index].type = bound.allSatisfy { $0.type == bound[0].type } ? bound.first?.type : nil
    }
    if draft.isSound && isBound && fit && stage.command == nil { askForProblems(&stage, draft) }
    if draft.isQuantized { stage.parameters[Self.quantization] = .null }
    if fit { models?.look(at: stage) }
    return stage
  }

  private func checkTypes(_ stage: PlannedStage) -> Bool {
    var fit = true
    for input in stage.inputs {
      guard let type = input.type,
        let declared = stage.description.inputs.first(where: { $0.name == input.declaredPort }),
        !declared.accepts.contains(type)
      else { continue }
      fit = false
      let accepted = declared.accepts.map(\.rawValue).joined(last: "or")
      diagnostics.report(
        "the input `\(input.declaredPort)` of stage `\(stage.base)` takes \(accepted), not \(type.rawValue)",
        at: diagnostics.mark(input.location))
    }
    return fit
  }

  /// What the stage itself says of its parameters together, bound to places where nothing lies.
  private func askForProblems(_ stage: inout PlannedStage, _ draft: Draft) {
    let nowhere = URL(filePath: "/dev/null", directoryHint: .notDirectory)
    let inputs = stage.inputs.map { input in
      if case .file(let url) = input.source { return (input.port, BoundArtifact(url: url)) }
      return (input.port, BoundArtifact(url: nowhere, type: input.type))
    }
    let binding = StageBinding(
      inputs: Dictionary(uniqueKeysWithValues: inputs), parameters: stage.parameters,
      outputs: Dictionary(uniqueKeysWithValues: stage.outputs.map { ($0.port, nowhere) }), seed: stage.seed)
    let mark = draft.spec.fields["with"]?.mark ?? draft.spec.mark
    do {
      let bound = try catalog.make(stage.description.kind.name, binding)
      for problem in bound.problems() { diagnostics.report(problem, at: mark) }
      stage.obstacleToExtending = bound.obstacleToExtending()
    } catch {
      diagnostics.report("\(error)", at: mark)
    }
  }
}
