/// Groups of parameters as values: elements of a list, `rewards: [{exact: {of: sentence}}, {length: {between: [20, 200]}}]`.

extension ParameterGroup {
  /// What the group declares.
  package static var declared: [ParameterDescription] {
    var description = StageDescription(
      kind: StageKind("", revision: 0), abstract: "", numeric: false, outsideTools: [], usesSeed: false, inputs: [],
      parameters: [], outputs: [])
    for (name, declaration) in declarations(of: Self()) { declaration.describe(as: name, into: &description) }
    return description.parameters
  }

  /// A group with values that were checked against `declared`; `nil` if they were not.
  package init?(parameters: [String: ParameterValue]) {
    self.init()
    for (name, declaration) in declarations(of: self)
    where !declaration.bind(name, from: StageBinding(parameters: parameters)) { return nil }
  }
}

extension ParameterGroup {
  /// A group with some values that the program itself gives; one that does not fit is the program's mistake.
  package init(giving values: [String: ParameterValue]) {
    guard let group = Self(parameters: values) else { preconditionFailure("\(Self.self) takes no \(values)") }
    self = group
  }
}

/// A list of groups.
package struct GroupList<Element: ParameterGroup>: ParameterConvertible {
  package let elements: [Element]
  package let parameterValue: ParameterValue

  package static var parameterType: ParameterType { .list(.group(Element.declared)) }

  package init?(parameter: ParameterValue) {
    guard case .list(let values) = parameter else { return nil }
    elements = values.compactMap { value in
      if case .map(let fields) = value { Element(parameters: fields) } else { nil }
    }
    guard elements.count == values.count else { return nil }
    parameterValue = parameter
  }
}
