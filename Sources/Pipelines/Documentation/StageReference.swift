/// The reference of stage kinds for people, made from their declarations: `retort help KIND` and `retort stages`.
import Escaping

/// One line for each kind: its name and what it does.
package func stageList(_ catalog: StageCatalog) -> String {
  catalog.kinds.compactMap { kind in catalog.describe(kind).map { [kind, $0.abstract] } }.aligned()
}

extension StageDescription {
  /// What the kind does, and every input, parameter and output with its type, default and documentation.
  package var reference: String {
    var sections = ["\(kind.name): \(abstract)"]
    func add(_ title: String, _ rows: [[String]]) {
      if !rows.isEmpty { sections.append("\(title)\n\(rows.aligned(indent: 2))") }
    }
    add(
      "in",
      inputs.map { input in
        [
          input.name, input.accepts.map(\.rawValue).joined(last: "or"),
          input.isOptional ? "optional" : input.isList ? "one or a list" : "",
          input.documentation,
        ]
      })
    let seed = ["seed", "an integer of at least 0", "defaults.seed", "For everything random in it."]
    add("with", rows(parameters, prefix: "") + (usesSeed ? [seed] : []))
    add(
      "outputs",
      outputs.map { output in
        [
          output.name, output.like.map { "as `\($0)`" } ?? output.type.rawValue,
          output.documentation + (output.file.map { " File: \($0)" } ?? ""),
        ]
      })
    add(
      "metrics",
      metrics.map { metric in
        let direction = metric.direction.map { "\($0.rawValue) is better" } ?? ""
        return [metric.name, direction, metric.documentation]
      })
    if trains {
      let policy = CheckpointPolicy()
      sections.append("checkpoint: \(policy.yaml), retry: 1 unless the stage says otherwise")
    }
    return sections.joined(separator: "\n\n")
  }

  private func rows(_ parameters: [ParameterDescription], prefix: String) -> [[String]] {
    parameters.flatMap { parameter -> [[String]] in
      let standard = parameter.defaultValue.map { $0 == .null ? "absent" : $0.yaml } ?? "required"
      let name = prefix + parameter.name
      if case .group(let inner) = parameter.type {
        let own = [name, "a group", parameter.defaultValue == .null ? "absent" : "", parameter.documentation]
        return [own] + rows(inner, prefix: name + ".")
      }
      let elements = parameter.type.listedGroups
      let type = elements == nil ? parameter.type.inWords : parameter.type.withoutListedGroups + "a list of groups"
      return [[name, type, standard, parameter.documentation]] + rows(elements ?? [], prefix: name + "[].")
    }
  }
}

extension ParameterType {
  /// What the groups have that it is, or may be, a list of.
  fileprivate var listedGroups: [ParameterDescription]? {
    switch self {
    case .list(.group(let inner)): inner
    case .either(let first, let second): first.listedGroups ?? second.listedGroups
    default: nil
    }
  }

  /// What else it may be: `a text, or `.
  fileprivate var withoutListedGroups: String {
    guard case .either(let first, let second) = self else { return "" }
    return "\((first.listedGroups == nil ? first : second).inWords), or "
  }
}

extension ParameterValue {
  /// As one writes it in a pipeline file, in one line.
  package var yaml: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let text): Escape.yaml(text)
    case .list(let values): "[\(values.map(\.yaml).joined(separator: ", "))]"
    case .map(let values):
      "{" + values.sorted { $0.key < $1.key }.map { "\(Escape.yaml($0)): \($1.yaml)" }.joined(separator: ", ") + "}"
    }
  }
}
