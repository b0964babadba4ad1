/// A stage: its kind, its ports and parameters declared as properties, and one `run`.
package protocol Stage: Sendable {
  static var kind: StageKind { get }
  /// One sentence for `retort stages` and `retort help`.
  static var abstract: String { get }
  /// Whether floating-point arithmetic decides the outputs' bytes; then the numerics profile enters the key.
  static var numeric: Bool { get }
  /// Programs outside Retort that make part of the outputs, by name; their versions enter the key.
  static var outsideTools: [String] { get }
  /// Whether the stage trains: then it keeps its state with `StageContext.keeper` and goes on from it, has `checkpoint`
  /// settings, is retried once unless told otherwise, and knows no int8.
  static var trains: Bool { get }
  /// Whether an attempt that was cut off leaves results in the scratch folder that the next one takes up.
  static var resumes: Bool { get }
  /// Every metric that the stage may report at its end, as people should read it.
  static var metrics: [MetricDescription] { get }
  /// Inputs that alone decide, with the numerics, the rows that another result of this stage may take; `nil`: all that
  /// is no `records: true`, and every parameter.
  static var rowsDependOn: [String]? { get }
  init()
  /// What is wrong with a combination of parameters that no single range can express; asked when planning.
  func problems() -> [String]
  /// Why a run with a higher value of the parameter that `extends` cannot go on from the final state of one with a
  /// lower value: `the learning rate …`; `nil` if it can.
  func obstacleToExtending() -> String?
  /// Reads the inputs, writes every output to its `url`. Throws what a person can read.
  func run(_ context: StageContext) async throws
}

/// An error that follows from a stage's inputs and parameters: trying again would give it again.
package protocol PermanentFailure: Error {}

extension Stage {
  package static var numeric: Bool { false }
  package static var outsideTools: [String] { [] }
  package static var trains: Bool { false }
  package static var resumes: Bool { false }
  package static var metrics: [MetricDescription] { [] }
  package static var rowsDependOn: [String]? { nil }
  package func obstacleToExtending() -> String? { nil }
  package func problems() -> [String] { [] }
}

/// A stage kind's name in YAML (`uses: distill`) and its revision, bumped when results change for the same inputs.
package struct StageKind: Hashable, Sendable {
  package let name: String
  package let revision: Int

  package init(_ name: String, revision: Int) {
    self.name = name
    self.revision = revision
  }
}

/// Parameters that belong together under one key: `lora: {r: 16, alpha: 32}`.
package protocol ParameterGroup: GroupValue {
  init()
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

/// What is known of a stage without running it: the only source of checks, defaults, help, keys and the schema.
package struct StageDescription: Sendable {
  package var kind: StageKind
  package var abstract: String
  package var numeric: Bool
  package var outsideTools: [String]
  package var usesSeed: Bool
  package var trains = false
  package var resumes = false
  package var metrics: [MetricDescription] = []
  package var rowsDependOn: [String]?
  package var inputs: [InputDescription]
  package var parameters: [ParameterDescription]
  package var outputs: [OutputDescription]
}

package struct InputDescription: Sendable {
  package var name: String
  package var documentation: String
  package var accepts: [ArtifactType]
  package var isOptional: Bool
  /// Whether several may be bound to it.
  package var isList = false
  /// Whether the outputs have a row for each of its records that depends on no other record.
  package var holdsRecords = false
  package var role: InputRole?
  /// What the stage loads the model there as; `nil` for other inputs.
  package var modelUse: ModelUse?
  /// The port of what the model there changes if it is an adapter, or was trained from; `nil` for other inputs.
  package var modelBase: String?
}

package struct OutputDescription: Sendable {
  package var name: String
  package var documentation: String
  package var type: ArtifactType
  /// The file's name where it is published, exported or shown; absent: the port's.
  package var file: String?
  /// The input whose type this output has, where it follows one.
  package var like: String?
}

package struct ParameterDescription: Sendable {
  package var name: String
  package var documentation: String
  package var type: ParameterType
  /// Value when the key is absent; `nil`: the key is required.
  package var defaultValue: ParameterValue?
  /// The value at which the parameter stays out of the key, so that results from before it was added live on.
  package var neutral: ParameterValue?
  /// Whether a higher value only makes the stage do more of the same; of one integer parameter of a stage.
  package var extends = false
  package var role: ParameterRole?
}
