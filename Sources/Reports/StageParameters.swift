/// A recorded stage's parameters as its kind declares them: those that its key leaves out have their neutral value.
import Lineage
import Pipelines

extension RecordedStage {
  /// By name, then the seed; `nil` if the store no longer knows what the key was made of.
  package func parameters(_ catalog: StageCatalog) -> [RunReport.Parameter]? {
    guard !components.isEmpty else { return nil }
    let prefix = "with."
    let recorded = components.filter { $0.name.hasPrefix(prefix) }
      .map { (name: String($0.name.dropFirst(prefix.count)), value: $0.value) }
    let declared = (catalog.describe(report.kind)?.parameters ?? []).flatMap {
      $0.leaves(prefix: "", recorded.map(\.name))
    }
    let values = Dictionary(recorded.map { ($0.name, $0.value) }) { $1 }
    let known = declared.compactMap { leaf in
      (values[leaf.name] ?? leaf.neutral).map {
        RunReport.Parameter(
          name: leaf.name, value: $0, isDefault: leaf.defaultValue.map { [value = $0] in $0 == value })
      }
    }
    // What a kind declared when the stage ran, and no longer does.
    let others = recorded.filter { entry in !declared.contains { $0.name == entry.name } }
      .map { RunReport.Parameter(name: $0.name, value: $0.value) }
    let seed = components.filter { $0.name == "seed" }.map { RunReport.Parameter(name: "seed", value: $0.value) }
    return (known + others).sorted { $0.name < $1.name } + seed
  }
}

/// A parameter that holds one value, named as keys name it: `lora.r` of the group `lora`.
private struct ParameterLeaf {
  var name: String
  var defaultValue: ParameterValue?
  var neutral: ParameterValue?
}

extension ParameterDescription {
  /// - Parameter recorded: names in the key; a group that is absent is one value there.
  fileprivate func leaves(prefix: String, _ recorded: [String]) -> [ParameterLeaf] {
    let path = "\(prefix)\(name)."
    guard case .group(let inner) = type, recorded.contains(where: { $0.hasPrefix(path) }) else {
      return [ParameterLeaf(name: prefix + name, defaultValue: defaultValue, neutral: neutral)]
    }
    return inner.flatMap { $0.leaves(prefix: path, recorded) }
  }
}
