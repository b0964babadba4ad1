/// The property wrappers with which a stage declares its ports and parameters, and their reading by reflection.

/// One place that a wrapper's copies share. A stage is made, bound once on one thread, and only then handed on to
/// `run`; afterwards the value is only read, which is what makes the unchecked conformance sound.
private final class Slot<Value: Sendable>: @unchecked Sendable {
  var value: Value?
  init(_ value: Value?) { self.value = value }

  func read() -> Value {
    guard let value else { preconditionFailure("a \(Value.self) of a stage was read before binding") }
    return value
  }
}

@propertyWrapper
package struct Input<Value: InputValue>: Sendable {
  private let slot = Slot<Value>(nil)
  fileprivate var declared: InputDescription

  /// - Parameters:
  ///   - role: what the stage does with it, where that matters to what its figures are worth.
  ///   - records: whether the outputs have a row for each record here that depends on no other record; then the stage
  ///     finds results over other records in `StageContext.earlier`.
  package init(_ documentation: String, _ role: InputRole? = nil, records: Bool = false) {
    declared = InputDescription(
      name: "", documentation: documentation, accepts: Value.accepts, isOptional: Value.isOptional,
      isList: Value.isList, holdsRecords: records, role: role)
  }
  /// A model, which may be one that needs another: that one has a port of its own.
  /// - Parameters:
  ///   - use: what the stage loads it as.
  ///   - base: the port of what it changes, or was trained from; absent: its own name and `_base`.
  package init(_ documentation: String, as use: ModelUse, base: String? = nil) {
    self.init(documentation)
    (declared.modelUse, declared.modelBase) = (use, base)
  }
  package var wrappedValue: Value { slot.value ?? Value(bound: nil) ?? slot.read() }
}

@propertyWrapper
package struct Output<Value: Artifact>: Sendable {
  private let slot = Slot<Value>(nil)
  fileprivate let declared: OutputDescription

  /// - Parameters:
  ///   - file: the file's name wherever people meet it; absent: the port's. No key depends on it.
  ///   - like: the input whose artifact type this output takes over.
  package init(_ documentation: String, file: String? = nil, like: String? = nil) {
    declared = OutputDescription(name: "", documentation: documentation, type: Value.type, file: file, like: like)
  }
  package var wrappedValue: Value { slot.read() }
}

@propertyWrapper
package struct Parameter<Value: ParameterConvertible>: Sendable {
  private let slot: Slot<Value>
  fileprivate let declared: ParameterDescription

  package init(wrappedValue: Value, _ documentation: String, neutral: Value? = nil, role: ParameterRole? = nil) {
    self.init(documentation, type: Value.parameterType, value: wrappedValue, neutral: neutral, role: role)
  }
  /// A parameter without a default: the key is required, unless the type is optional.
  package init(_ documentation: String) {
    self.init(documentation, type: Value.parameterType, value: nil, neutral: nil)
  }
  private init(
    _ documentation: String, type: ParameterType, value: Value?, neutral: Value?, extends: Bool = false,
    role: ParameterRole? = nil
  ) {
    slot = Slot(value)
    declared = ParameterDescription(
      name: "", documentation: documentation, type: type,
      defaultValue: value?.parameterValue ?? (Value.isOptional ? .null : nil), neutral: neutral?.parameterValue,
      extends: extends, role: role)
  }
  package var wrappedValue: Value { slot.value ?? Value(parameter: .null) ?? slot.read() }
}

extension Parameter where Value == Int {
  /// - Parameter extends: whether a higher value only makes the stage do more of the same.
  package init(
    wrappedValue: Int, _ documentation: String, in range: ClosedRange<Int>, neutral: Int? = nil, extends: Bool = false,
    role: ParameterRole? = nil
  ) {
    self.init(documentation, type: .int(range), value: wrappedValue, neutral: neutral, extends: extends, role: role)
  }
  package init(_ documentation: String, in range: ClosedRange<Int>) {
    self.init(documentation, type: .int(range), value: nil, neutral: nil)
  }
}

extension Parameter where Value == Int? {
  /// - Parameter isNeutralAbsent: whether it stays out of the key where it is absent.
  package init(
    _ documentation: String, in range: ClosedRange<Int>, isNeutralAbsent: Bool = false, role: ParameterRole? = nil
  ) {
    self.init(
      documentation, type: .int(range), value: .some(nil), neutral: isNeutralAbsent ? .some(.none) : nil, role: role)
  }
}

extension Parameter where Value == Double {
  package init(wrappedValue: Double, _ documentation: String, in range: ClosedRange<Double>, neutral: Double? = nil) {
    self.init(documentation, type: .double(range), value: wrappedValue, neutral: neutral)
  }
  package init(_ documentation: String, in range: ClosedRange<Double>) {
    self.init(documentation, type: .double(range), value: nil, neutral: nil)
  }
}

extension Parameter where Value == Double? {
  /// - Parameter isNeutralAbsent: whether it stays out of the key where it is absent.
  package init(_ documentation: String, in range: ClosedRange<Double>, isNeutralAbsent: Bool = false) {
    self.init(documentation, type: .double(range), value: .some(nil), neutral: isNeutralAbsent ? .some(.none) : nil)
  }
}

/// A group of parameters under one key; as an optional it is absent unless the key is given.
@propertyWrapper
package struct Group<Value: GroupValue>: Sendable {
  private let slot = Slot<Value>(Value.absent)
  fileprivate let declared: ParameterDescription

  /// - Parameter isNeutral: whether an absent group stays out of the key, so that results from before it was added live
  ///   on; of optional ones.
  package init(_ documentation: String, isNeutral: Bool = false) {
    declared = ParameterDescription(
      name: "", documentation: documentation, type: .group([]), defaultValue: Value.isOptional ? .null : .map([:]),
      neutral: isNeutral ? .null : nil)
  }
  package var wrappedValue: Value { slot.read() }
}

/// Parameters that several stages have in common: they belong to the stage itself, under no key of their own.
@propertyWrapper
package struct Shared<Value: ParameterGroup>: Sendable {
  private let slot = Slot<Value>(Value())

  package init() {}
  package var wrappedValue: Value { slot.read() }
}

/// The stage's own random seed; `defaults.seed` unless `with.seed` is given. Enters the key.
@propertyWrapper
package struct Seed: Sendable {
  private let slot = Slot<UInt64>(nil)
  package init() {}
  package var wrappedValue: UInt64 { slot.read() }
}

// MARK: - Reading the declarations

extension Stage {
  /// The declaration as data.
  package static var description: StageDescription {
    var description = StageDescription(
      kind: kind, abstract: abstract, numeric: numeric, outsideTools: outsideTools, usesSeed: false,
      trains: trains, resumes: resumes, metrics: metrics, rowsDependOn: rowsDependOn, inputs: [], parameters: [],
      outputs: [])
    for (name, declaration) in declarations(of: Self()) { declaration.describe(as: name, into: &description) }
    return description
  }

  /// A stage whose every declaration has its value.
  package static func bound(to binding: StageBinding) throws -> Self {
    let stage = Self()
    for input in description.inputs {
      guard let base = input.modelBase, binding.inputs[base] != nil, binding.inputs[input.name] == nil else { continue }
      throw BaseAlone(base: base, model: input.name)
    }
    for (name, declaration) in declarations(of: stage) where !declaration.bind(name, from: binding) {
      throw BindingError(kind: kind.name, name: name)
    }
    return stage
  }
}

protocol Declaration {
  func describe(as name: String, into description: inout StageDescription)
  /// Whether the binding had a fitting value.
  func bind(_ name: String, from binding: StageBinding) -> Bool
}

func declarations(of subject: Any) -> [(name: String, declaration: any Declaration)] {
  Mirror(reflecting: subject).children.compactMap { child in
    guard let label = child.label, let declaration = child.value as? any Declaration else { return nil }
    return (yamlName(of: label), declaration)
  }
}

/// `_batchSize` is written `batch_size`; a leading capital stays (`_K` is `K`).
private func yamlName(of label: String) -> String {
  var name = ""
  for (index, character) in label.drop(while: { $0 == "_" }).enumerated() {
    if character.isUppercase && index > 0 {
      name += "_" + character.lowercased()
    } else {
      name.append(character)
    }
  }
  return name
}

extension Input: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    var input = declared
    input.name = name
    input.modelBase = basePort(of: name)
    description.inputs.append(input)
    guard let use = input.modelUse, let port = input.modelBase else { return }
    let teacher =
      [.biEncoder, .student, .languageModel, .policy].contains(use)
      ? "" : ", or the encoder of one that is best_model.pt"
    description.inputs.append(
      InputDescription(
        name: port, documentation: "What a `\(name)` changes that is an adapter of PEFT\(teacher).",
        accepts: Value.accepts, isOptional: true))
  }
  private func basePort(of name: String) -> String? {
    declared.modelUse == nil ? nil : declared.modelBase ?? "\(name)_base"
  }

  func bind(_ name: String, from binding: StageBinding) -> Bool {
    var bound = binding.inputs[name]
    bound?.base = basePort(of: name).flatMap { binding.inputs[$0]?.url }
    slot.value = Value.isList ? Value(bound: binding.list(name)) : Value(bound: bound)
    return slot.value != nil
  }
}

extension Output: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    var output = declared
    output.name = name
    description.outputs.append(output)
  }
  func bind(_ name: String, from binding: StageBinding) -> Bool {
    slot.value = binding.outputs[name].map { Value(BoundArtifact(url: $0, type: Value.type)) }
    return slot.value != nil
  }
}

extension Parameter: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    var parameter = declared
    parameter.name = name
    description.parameters.append(parameter)
  }
  func bind(_ name: String, from binding: StageBinding) -> Bool {
    guard let value = binding.parameters[name] ?? declared.defaultValue else { return false }
    slot.value = Value(parameter: value)
    return slot.value != nil
  }
}

extension Group: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    var inner = description
    inner.parameters = []
    _ = Value.make { group in
      for (name, declaration) in declarations(of: group) { declaration.describe(as: name, into: &inner) }
    }
    var group = declared
    (group.name, group.type) = (name, .group(inner.parameters))
    description.parameters.append(group)
  }
  func bind(_ name: String, from binding: StageBinding) -> Bool {
    guard case .map(let values)? = binding.parameters[name] else {
      slot.value = Value.absent
      return true
    }
    var fits = true
    slot.value = Value.make { group in
      for (name, declaration) in declarations(of: group) {
        fits = declaration.bind(name, from: StageBinding(parameters: values)) && fits
      }
    }
    return fits
  }
}

extension Shared: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    for (name, declaration) in declarations(of: Value()) { declaration.describe(as: name, into: &description) }
  }
  func bind(_ name: String, from binding: StageBinding) -> Bool {
    let group = Value()
    slot.value = group
    return declarations(of: group).reduce(true) { $1.declaration.bind($1.name, from: binding) && $0 }
  }
}

extension Seed: Declaration {
  func describe(as name: String, into description: inout StageDescription) {
    description.usesSeed = true
  }
  func bind(_ name: String, from binding: StageBinding) -> Bool {
    slot.value = binding.seed
    return slot.value != nil
  }
}
