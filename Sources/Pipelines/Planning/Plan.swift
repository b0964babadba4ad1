/// A checked pipeline: every stage with its resolved inputs, parameters and resources, in an order that can run.
import Artifacts
import Foundation

/// A stage's place in `Plan.stages`.
package struct StageID: Hashable, Sendable, Codable, Comparable {
  package let index: Int
  package init(index: Int) { self.index = index }
  package static func < (left: StageID, right: StageID) -> Bool { left.index < right.index }
}

/// The value that one dimension of a matrix has for a stage: `tau=0.1`.
package struct Coordinate: Hashable, Sendable {
  package var name: String
  package var value: ParameterValue
  /// A number as the file writes it, which is what a command gets: `3.10`.
  private var written: String?

  package init(_ name: String, _ value: ParameterValue, written: String? = nil) {
    self.name = name
    self.value = value
    self.written = written
  }

  /// `tau=0.1`.
  package var text: String { "\(name)=\(written ?? value.yaml)" }

  package static func == (left: Coordinate, right: Coordinate) -> Bool {
    left.name == right.name && left.value == right.value
  }
  package func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(value)
  }
}

/// What an experiment's `compare` says: which metrics its table shows, and by which it is sorted.
package struct Comparison: Hashable, Sendable, Codable {
  /// `stage.metric`, the stage as the pipeline file names it.
  package var metrics: [String]
  /// One of them; a leading `-` puts the highest first.
  package var sort: String?

  package init(metrics: [String], sort: String? = nil) {
    self.metrics = metrics
    self.sort = sort
  }
}

package struct Plan: Sendable {
  package var name: String
  /// As the user named it.
  package var file: URL
  /// The project's root: `publish` resolves against it, the store lies in it.
  package var root: URL
  /// Dense by `StageID`; a stage comes after all that it takes inputs from.
  package var stages: [PlannedStage]
  /// Of an experiment that says what to compare.
  package var comparison: Comparison?
  /// The metrics that are shown first, `stage.metric`: what the file's `headline` says, else the first of `compare`,
  /// else what the stages' kinds declare; `nil` where none does.
  package var headline: [String]?
  /// What stops nothing and may surprise, each at its place.
  package var warnings: [Problem] = []

  package init(name: String, file: URL, root: URL, stages: [PlannedStage]) {
    self.name = name
    self.file = file
    self.root = root
    self.stages = stages
  }

  package subscript(id: StageID) -> PlannedStage { stages[id.index] }

  /// Of `student` every variant; of `student[tau=0.1]` those with these coordinates; empty if there is none.
  package func ids(named name: String) -> [StageID] {
    let wanted = VariantName(name)
    return stages.filter { stage in
      stage.name == name
        || (stage.base == wanted.base && wanted.coordinates.allSatisfy(stage.coordinates.map(\.text).contains))
    }.map(\.id)
  }
}

package struct PlannedStage: Sendable {
  package var id: StageID
  /// `student[tau=0.1]`: the base and the coordinates, `base` alone where there are none.
  package var name: String
  /// The stage as the pipeline file names it.
  package var base: String
  /// In the order of the matrix; empty unless a matrix varies this stage.
  package var coordinates: [Coordinate]
  package var location: SourceLocation
  /// Of the built-in kind; of a `cmd` stage made from its YAML, with kind `cmd`.
  package var description: StageDescription
  /// What to run, if it is a `cmd` stage.
  package var command: Command?
  /// Sorted by port; optional ports that nothing is bound to are absent.
  package var inputs: [PlannedInput]
  /// Every declared parameter, checked, defaults filled in.
  package var parameters: [String: ParameterValue]
  /// `nil` where the stage declares no seed.
  package var seed: UInt64?
  /// Sorted by port.
  package var outputs: [PlannedOutput]
  package var publish: Publication?
  package var compute: Compute
  /// Bytes that are set aside for it while it runs beside others.
  package var reservedMemory: Int
  /// How often a failed stage is tried again.
  package var retry: Int
  package var backOff = BackOff()
  package var timeout: Duration?
  /// `nil` where the kind does not train.
  package var checkpoint: CheckpointPolicy?
  /// See `Stage.obstacleToExtending`.
  package var obstacleToExtending: String?

  package init(
    id: StageID, base: String, coordinates: [Coordinate] = [], location: SourceLocation,
    description: StageDescription, command: Command? = nil,
    inputs: [PlannedInput] = [], parameters: [String: ParameterValue] = [:], seed: UInt64? = nil,
    outputs: [PlannedOutput] = [], publish: Publication? = nil, compute: Compute = Compute(), retry: Int = 0,
    timeout: Duration? = nil
  ) {
    self.id = id
    name = base + coordinates.suffix
    self.base = base
    self.coordinates = coordinates
    self.location = location
    self.description = description
    self.command = command
    self.inputs = inputs
    self.parameters = parameters
    self.seed = seed
    self.outputs = outputs
    self.publish = publish
    self.compute = compute
    reservedMemory = compute.memory
    self.retry = retry
    self.timeout = timeout
  }

  /// The stages whose outputs it takes, ascending and once each.
  package var dependencies: [StageID] {
    Set(
      inputs.compactMap { input in
        if case .stage(let id, _) = input.source { id } else { nil }
      }
    ).sorted()
  }
}

package struct PlannedInput: Sendable {
  /// `data`; of a gather each variant has a port of its own, `all[tau=0.1]`.
  package var port: String
  package var source: InputSource
  /// `nil` where only the content can tell.
  package var type: ArtifactType?
  package var location: SourceLocation
  /// What a member of a list is called: its file's name, from the deepest folder on that holds all of them, or
  /// `stage.port`. It enters the key.
  package var label: String?

  package init(
    port: String, source: InputSource, type: ArtifactType?, location: SourceLocation, label: String? = nil
  ) {
    self.port = port
    self.source = source
    self.type = type
    self.location = location
    self.label = label
  }

  /// The port that the stage declares: `all` of `all[tau=0.1]`.
  package var declaredPort: String { VariantName(port).base }
}

package enum InputSource: Hashable, Sendable {
  /// An existing file or folder, absolute.
  case file(URL)
  case stage(StageID, port: String)
  case hub(HubReference)
}

package struct PlannedOutput: Sendable {
  package var port: String
  /// `nil` where it follows an input whose type only the content can tell, or a `cmd` does not say.
  package var type: ArtifactType?
  /// Its name where it is published with others.
  package var file: String

  package init(port: String, type: ArtifactType?, file: String? = nil) {
    self.port = port
    self.type = type
    self.file = file ?? port
  }
}

/// Where a stage's outputs are copied to when it is done.
package struct Publication: Hashable, Sendable {
  /// The published folder, or the file of a single output; absolute, inside the root.
  package var url: URL
  /// Of `publish` in the file.
  package var location: SourceLocation
  /// Where each output goes, sorted by port: `url` itself for the only one, else `url` and the file's name.
  package var targets: [Target]
  /// Absent: whatever it is.
  package var condition: Condition?

  /// When it is copied.
  package enum Condition: String, Hashable, Sendable, CaseIterable {
    /// Unless training made the model worse than where it began.
    case notWorse = "not_worse"
  }

  /// Whether the verdict keeps the files from being published; what nobody has judged is not known to be worse.
  package func isWithheld(by verdict: Verdict?) -> Bool { condition == .notWorse && verdict?.outcome == .worse }

  package struct Target: Hashable, Sendable {
    package var port: String
    /// Inside `url`.
    package var file: String
    package var url: URL
  }
}

extension [Coordinate] {
  /// `[tau=0.1,K=4]`; nothing for none.
  package var suffix: String {
    isEmpty ? "" : "[" + map(\.text).joined(separator: ",") + "]"
  }
}
