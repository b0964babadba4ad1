/// The property wrappers with which a stage declares its ports and parameters, and their reading by reflection.
import Foundation

/// One place that a wrapper's copies share. A stage is made, bound once on one thread, and only then handed on to
/// `run`; afterwards the value is only read, which is what makes the unchecked conformance sound.
private final class Slot<Value: Sendable>: @unchecked Sendable {
  var value: Value?
  init(_ value: Value?) { self.value = value }
}

@propertyWrapper
package struct Input<Value: InputValue>: Sendable {
  private let slot = Slot<Value>(nil)
  fileprivate let documentation: String
  fileprivate let holdsRecords: Bool
  fileprivate let role: InputRole?
  fileprivate let modelUse: ModelUse?
  fileprivate let modelBase: String?

  /// - Parameters:
  ///   - role: what the stage does with it, where that matters to what its figures are worth.
  ///   - records: whether the outputs have a row for each record here that depends on no other record; then the stage
  ///     finds results over other records in `StageContext.earlier`.
  package init(_ documentation: String, _ role: InputRole? = nil, records: Bool = false) {
    self.documentation = documentation
    self.role = role
    holdsRecords = records
    (modelUse, modelBase) = (nil, nil)
  }
  /// A model.
  /// - Parameters:
  ///   - use: what the stage loads it as.
  ///   - base: the port of the encoder that a model of the distillation program was trained from.
  package init(_ documentation: String, as use: ModelUse, base: String? = nil) {
    self.documentation = documentation
    (holdsRecords, role) = (false, nil)
    (modelUse, modelBase) = (use, base)
  }
  package var wrappedValue: Value {
    guard let value = slot.value ?? Value(bound: nil) else { preconditionFailure("an input was read before binding") }
    return value
  }
}

@propertyWrapper
package struct Output<Value: Artifact>: Sendable {
  private let slot = Slot<Value>(nil)
  fileprivate let documentation: String
  fileprivate let file: String?
  fileprivate let like: String?

  /// - Parameters:
  ///   - file: the file's name wherever people meet it; absent: the port's. No key depends on it.
  ///   - like: the input whose artifact type this output takes over.
  package init(_ documentation: String, file: String? = nil, like: String? = nil) {
    self.documentation = documentation
    self.file = file
    self.like = like
  }
  package var wrappedValue: Value {
    guard let value = slot.value else { preconditionFailure("an output was read before binding") }
    return value
  }
}

@propertyWrapper
package struct Parameter<Value: ParameterConvertible>: Sendable {
  private let slot: Slot<Value>
  fileprivate let documentation: String
  fileprivate let type: ParameterType
  fileprivate let neutral: ParameterValue?
  fileprivate let defaultValue: ParameterValue?
  fileprivate let extends: Bool
  fileprivate let role: ParameterRole?

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
    self.extends = extends
    self.role = role
    self.documentation = documentation
    self.type = type
    self.neutral = neutral?.parameterValue
    defaultValue = value?.parameterValue ?? (Value.isOptional ? .null : nil)
  }
  package var wrappedValue: Value {
    guard let value = slot.value ?? Value(parameter: .null) else {
      preconditionFailure("a parameter was read before binding")
    }
    return value
  }
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
  package init(_ documentation: String, in range: ClosedRange<Double>) {
    self.init(documentation, type: .double(range), value: .some(nil), neutral: nil)
  }
}

/// A group of parameters under one key; as an optional it is absent unless the key is given.
@propertyWrapper
package struct Group<Value: GroupValue>: Sendable {
  private let slot: Slot<Value>
  fileprivate let documentation: String
  fileprivate let isNeutral: Bool

  /// - Parameter isNeutral: whether an absent group stays out of the key, so that results from before it was added live
  ///   on; of optional ones.
  package init(_ documentation: String, isNeutral: Bool = false) {
    slot = Slot(Value.absent)
    self.documentation = documentation
    self.isNeutral = isNeutral
  }
  package var wrappedValue: Value {
    guard let value = slot.value else { preconditionFailure("a group was read before binding") }
    return value
  }
}

/// Parameters that several stages have in common: they belong to the stage itself, under no key of their own.
@propertyWrapper
package struct Shared<Value: ParameterGroup>: Sendable {
  private let slot = Slot<Value>(Value())

  package init() {}
  package var wrappedValue: Value {
    guard let value = slot.value else { preconditionFailure("shared parameters were read before binding") }
    return value
  }
}

/// A `ParameterGroup`, or an optional one.
package protocol GroupValue: Sendable {
  /// The value when the key is absent.
  static var absent: Self { get }
  static var isOptional: Bool { get }
  /// A new group whose declarations can be described or bound, and how to turn it into the value.
  static func make(_ fill: (any ParameterGroup) -> Void) -> Self
}

extension ParameterGroup {
  package static var absent: Self { Self() }
  package static var isOptional: Bool { false }
  package static func make(_ fill: (any ParameterGroup) -> Void) -> Self {
    let group = Self()
    fill(group)
    return group
  }
}

extension Optional: GroupValue where Wrapped: ParameterGroup {
  package static var absent: Self { .none }
  package static var isOptional: Bool { true }
  package static func make(_ fill: (any ParameterGroup) -> Void) -> Self {
    let group = Wrapped()
    fill(group)
    return .some(group)
  }
}

/// The stage's own random seed; `defaults.seed` unless `with.seed` is given. Enters the key.
@propertyWrapper
package struct Seed: Sendable {
  private let slot = Slot<UInt64>(nil)
  package init() {}
  package var wrappedValue: UInt64 {
    guard let value = slot.value else { preconditionFailure("the seed was read before binding") }
    return value
  }
}

// MARK: - Reading the declarations

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
  fileprivate func list(_ name: String) -> [BoundArtifact] {
    inputs.map { (name: VariantName($0.key), bound: $0.value) }.filter { $0.name.base == name }
      .map { (place: $0.name.variant.flatMap(Int.init) ?? 0, bound: $0.bound) }
      .sorted { $0.place < $1.place }.map(\.bound)
  }
}

/// A binding that does not fit its stage; the planner's checks make it unreachable from YAML, a damaged job file not.
package struct BindingError: Error, CustomStringConvertible {
  package let kind: String
  package let name: String
  package var description: String { "the value of `\(name)` does not fit stage kind `\(kind)`" }
}

extension Stage {
  /// The declaration as data.
  package static var description: StageDescription {
    var description = StageDescription(
      kind: kind, abstract: abstract, numeric: numeric, outsideTools: outsideTools, usesSeed: false,
      trains: trains, metrics: metrics, rowsDependOn: rowsDependOn, inputs: [], parameters: [], outputs: [])
    for (name, declaration) in declarations(of: Self()) { declaration.describe(as: name, into: &description) }
    return description
  }

  /// A stage whose every declaration has its value.
  package static func bound(to binding: StageBinding) throws -> Self {
    let stage = Self()
    for (name, declaration) in declarations(of: stage) where !declaration.bind(name, from: binding) {
      throw BindingError(kind: kind.name, name: name)
    }
    return stage
  }
}

private protocol Declaration {
  func describe(as name: String, into description: inout StageDescription)
  /// Whether the binding had a fitting value.
  func bind(_ name: String, from binding: StageBinding) -> Bool
}

private func declarations(of subject: Any) -> [(name: String, declaration: any Declaration)] {
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
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    description.inputs.append(
      InputDescription(
        name: name, documentation: documentation, accepts: Value.accepts, isOptional: Value.isOptional,
        isList: Value.isList, holdsRecords: holdsRecords, role: role, modelUse: modelUse, modelBase: modelBase))
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
    slot.value = Value.isList ? Value(bound: binding.list(name)) : Value(bound: binding.inputs[name])
    return slot.value != nil
  }
}

extension Output: Declaration {
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    description.outputs.append(
      OutputDescription(name: name, documentation: documentation, type: Value.type, file: file, like: like))
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
    slot.value = binding.outputs[name].map { Value(BoundArtifact(url: $0, type: Value.type)) }
    return slot.value != nil
  }
}

extension Parameter: Declaration {
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    description.parameters.append(self.description(name))
  }
  fileprivate func description(_ name: String) -> ParameterDescription {
    ParameterDescription(
      name: name, documentation: documentation, type: type, defaultValue: defaultValue, neutral: neutral,
      extends: extends, role: role)
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
    guard let value = binding.parameters[name] ?? defaultValue else { return false }
    slot.value = Value(parameter: value)
    return slot.value != nil
  }
}

extension Group: Declaration {
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    var inner = description
    inner.parameters = []
    _ = Value.make { group in
      for (name, declaration) in declarations(of: group) { declaration.describe(as: name, into: &inner) }
    }
    description.parameters.append(
      ParameterDescription(
        name: name, documentation: documentation, type: .group(inner.parameters),
        defaultValue: Value.isOptional ? .null : .map([:]), neutral: isNeutral ? .null : nil))
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
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
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    for (name, declaration) in declarations(of: Value()) { declaration.describe(as: name, into: &description) }
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
    let group = Value()
    slot.value = group
    return declarations(of: group).reduce(true) { $1.declaration.bind($1.name, from: binding) && $0 }
  }
}

extension Seed: Declaration {
  fileprivate func describe(as name: String, into description: inout StageDescription) {
    description.usesSeed = true
  }
  fileprivate func bind(_ name: String, from binding: StageBinding) -> Bool {
    slot.value = binding.seed
    return slot.value != nil
  }
}
