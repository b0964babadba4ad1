/// The key of a stage: a digest of all that decides its outputs' bytes, and of nothing else.
import Artifacts
import Foundation

/// Two stages with one key have the same outputs.
package struct StageKey: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let digest: Digest
  package init(_ digest: Digest) { self.digest = digest }
  package static func < (left: StageKey, right: StageKey) -> Bool { left.digest < right.digest }
  package var description: String { digest.description }
}

extension StageKey: Codable {
  package init(from decoder: any Decoder) throws { digest = try Digest(from: decoder) }
  package func encode(to encoder: any Encoder) throws { try digest.encode(to: encoder) }
}

/// Receives what a key is made of, in the key's order.
package protocol KeySink {
  mutating func component(_ name: String, _ value: ParameterValue)
}

/// One line of a key's preimage: what `retort why` compares.
package struct KeyComponent: Hashable, Sendable, Codable {
  /// `kind`, `with.lora.r`, `in.data`, `label.data[1]`, `seed`, `env.LANG`, …
  package var name: String
  package var value: ParameterValue

  package init(name: String, value: ParameterValue) {
    self.name = name
    self.value = value
  }
}

/// What a key is made of, known once the digests of a stage's inputs are.
package struct KeyMaterial: Sendable {
  package var stage: PlannedStage
  /// Content digest of every bound input, by port.
  package var inputs: [String: Digest]
  /// Of the precision that the stage computes with; enters the key of numeric stages only.
  package var numericsProfile: String
  /// Value of each variable that `env` declares; absent if it is not set.
  package var environment: [String: String] = [:]
  /// Digest of the program that each name in `tools` resolves to.
  package var tools: [String: Digest] = [:]
  /// Version of each outside tool that the stage's description names.
  package var outsideTools: [String: String] = [:]

  package init(
    stage: PlannedStage, inputs: [String: Digest], numericsProfile: String, environment: [String: String] = [:],
    tools: [String: Digest] = [:], outsideTools: [String: String] = [:]
  ) {
    self.stage = stage
    self.inputs = inputs
    self.numericsProfile = numericsProfile
    self.environment = environment
    self.tools = tools
    self.outsideTools = outsideTools
  }

  package var key: StageKey {
    var sink = HashSink()
    describe(into: &sink)
    return StageKey(sink.hash.finish())
  }

  /// The key without the parameter that extends, and that parameter's value: what a training's final state goes by.
  /// `nil` if nothing extends, or if a longer run could not go on from a shorter one's state.
  package var continuation: (key: StageKey, length: Int)? {
    guard let extending = stage.description.parameters.first(where: \.extends), stage.obstacleToExtending == nil,
      case .int(let length)? = stage.parameters[extending.name]
    else { return nil }
    var sink = HashSink(domain: "retort continuation key 1") { $0 != "with.\(extending.name)" }
    describe(into: &sink)
    return (StageKey(sink.hash.finish()), length)
  }

  package var preimage: [KeyComponent] {
    var sink = PreimageSink()
    describe(into: &sink)
    return sink.components
  }

  /// The key without the records: what is done with each of them. `nil` where no input holds records.
  package var functionKey: StageKey? {
    let domain = "retort function key 1"
    var sink: HashSink
    if let inputs = stage.description.rowsDependOn {
      let names = ["kind", "revision", "numerics"] + inputs.map { "in.\($0)" }
      sink = HashSink(domain: domain) { names.contains($0) }
    } else {
      let names = Set(stage.description.inputs.filter(\.holdsRecords).map { "in.\($0.name)" })
      guard !names.isEmpty else { return nil }
      sink = HashSink(domain: domain) { !names.contains($0) }
    }
    describe(into: &sink)
    return StageKey(sink.hash.finish())
  }

  /// The one traversal that both the key and its preimage come from.
  package func describe(into sink: inout some KeySink) {
    let description = stage.description
    sink.component("kind", .string(description.kind.name))
    sink.component("revision", .int(description.kind.revision))
    describe(description.parameters, stage.parameters, prefix: "with", into: &sink)
    if let command = stage.command {
      sink.component("cmd", .string(command.canonicalText))
      each("out", command.outputs, into: &sink) { .string($0) }
      if let metrics = command.metrics { sink.component("metrics", .string(metrics)) }
      for name in Set(command.environment).sorted(by: canonicalOrder) {
        sink.component("env.\(name)", environment[name].map { .string($0) } ?? .null)
      }
      each("tool", tools, into: &sink) { .string($0.description) }
    }
    each("in", inputs, into: &sink) { .string($0.description) }
    for input in stage.inputs {
      if let label = input.label { sink.component("label.\(input.port)", .string(label)) }
    }
    if let seed = stage.seed { sink.component("seed", .string(String(seed))) }
    if description.numeric { sink.component("numerics", .string(numericsProfile)) }
    each("outside", outsideTools, into: &sink) { .string($0) }
  }

  private func describe(
    _ declared: [ParameterDescription], _ values: [String: ParameterValue], prefix: String,
    into sink: inout some KeySink
  ) {
    for parameter in declared.sorted(by: { canonicalOrder($0.name, $1.name) }) {
      let name = "\(prefix).\(parameter.name)"
      guard let value = values[parameter.name], value != parameter.neutral else { continue }
      if case .group(let inner) = parameter.type, case .map(let values) = value {
        describe(inner, values, prefix: name, into: &sink)
      } else {
        sink.component(name, value)
      }
    }
  }

  private func each<Value>(
    _ prefix: String, _ values: [String: Value], into sink: inout some KeySink, _ encode: (Value) -> ParameterValue
  ) {
    for (name, value) in values.sorted(by: { canonicalOrder($0.key, $1.key) }) {
      sink.component("\(prefix).\(name)", encode(value))
    }
  }
}

private struct PreimageSink: KeySink {
  var components: [KeyComponent] = []
  mutating func component(_ name: String, _ value: ParameterValue) {
    components.append(KeyComponent(name: name, value: value))
  }
}

/// Hashes each component as its name (`s`) and its value, in the encoding of `CanonicalHash`.
private struct HashSink: KeySink {
  var hash: CanonicalHash
  private let counts: (String) -> Bool

  /// - Parameter counts: whether the component of that name is hashed.
  init(domain: String = "retort stage key 1", counts: @escaping (String) -> Bool = { _ in true }) {
    hash = CanonicalHash(domain: domain)
    self.counts = counts
  }

  mutating func component(_ name: String, _ value: ParameterValue) {
    guard counts(name) else { return }
    hash.add(name)
    add(value)
  }

  private mutating func add(_ value: ParameterValue) {
    switch value {
    case .null: hash.addNull()
    case .bool(let value): hash.add(value)
    case .int(let value): hash.add(value)
    case .double(let value): hash.add(value)
    case .string(let value): hash.add(value)
    case .list(let values):
      hash.addList(count: values.count)
      for value in values { add(value) }
    case .map(let values):
      hash.addMap(count: values.count)
      for (key, value) in values.sorted(by: { canonicalOrder($0.key, $1.key) }) {
        hash.add(key)
        add(value)
      }
    }
  }
}
