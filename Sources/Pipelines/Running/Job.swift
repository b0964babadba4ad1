/// All that a worker needs to run one stage, as a value that is written to a file: everything resolved, no secrets.
import Artifacts
import Foundation

package struct Job: Codable, Sendable {
  package var stage: String
  package var kind: String
  package var key: StageKey
  package var parameters: [String: ParameterValue]
  package var seed: UInt64?
  package var inputs: [String: BoundArtifact]
  /// By port: where the stage writes it, and its type.
  package var outputs: [String: BoundArtifact]
  /// Outputs of the same function over other records, by port, the newest first; rows may be taken from them.
  package var earlier: [[String: EarlierOutput]] = []
  /// For a `cmd` stage.
  package var command: JobCommand?
  package var compute: Compute
  /// Of a stage that can be resumed.
  package var checkpoint: CheckpointPolicy?
  /// The folder that is the stage's own until it succeeds.
  package var work: URL
  package var store: URL
}

package struct JobCommand: Codable, Sendable {
  /// For `/bin/bash -euo pipefail -c`.
  package var text: String
  /// The empty folder it runs in.
  package var folder: URL
  /// Variables that `env` declares and that are set.
  package var environment: [String: String]
  /// Names of variables to take from the coordinator's environment; their values are masked in logs.
  package var secrets: [String]
  /// What the command gathers: names in the work folder, `in/all/tau=0.1`, and where each lies.
  package var links: [String: URL] = [:]
  /// A flat JSON file of numbers, if the command writes one.
  package var metrics: URL?
}

extension Job {
  /// - Parameters:
  ///   - inputs: every bound input, by port, in the store or at its path.
  ///   - work: the key's folder; built-in stages write outputs to `work/out/<port>`, commands into `work/cwd`.
  package init(
    material: KeyMaterial, key: StageKey, inputs: [String: BoundArtifact], earlier: [[String: EarlierOutput]] = [],
    work: URL,
    store: URL
  ) {
    let planned = material.stage
    let folder = work.appending(path: planned.command == nil ? "out" : "cwd")
    stage = planned.name
    kind = planned.description.kind.name
    self.key = key
    parameters = planned.parameters
    seed = planned.seed
    self.inputs = inputs
    self.earlier = earlier
    outputs = Dictionary(
      uniqueKeysWithValues: planned.outputs.map { output in
        let path = planned.command?.outputs[output.port] ?? output.port
        return (output.port, BoundArtifact(url: folder.appending(path: path), type: output.type))
      })
    command = planned.command.map { [outputs] command in
      var places = inputs.mapValues(\.url)
      var links: [String: URL] = [:]
      for (port, url) in places {
        let own = VariantName(port)
        guard let variant = own.variant else { continue }
        // The store's names say nothing of the variant; these do.
        let name = "in/\(own.base)/\(fileName(for: variant))"
        links[name] = url
        places[port] = work.appending(path: name, directoryHint: .notDirectory)
      }
      return JobCommand(
        text: command.text(inputs: places, outputs: outputs.mapValues(\.url)), folder: folder,
        environment: material.environment, secrets: command.secrets, links: links,
        metrics: command.metrics.map { folder.appending(path: $0) })
    }
    compute = planned.compute
    checkpoint = planned.checkpoint
    self.work = work
    self.store = store
  }

  /// A message with inputs from the store called as the pipeline calls them; what they are in the store stands below.
  package func namingInputs(in message: String) -> String {
    var text = message
    var places: [String] = []
    for (_, input) in inputs.sorted(by: { $0.key < $1.key }) {
      guard let name = input.name, text.contains(input.url.path) else { continue }
      text = text.replacing(input.url.path, with: name)
      places.append("\n\(name) is \(input.url.path)")
    }
    return text + places.joined()
  }

  /// What a built-in stage is bound to.
  package var binding: StageBinding {
    StageBinding(inputs: inputs, parameters: parameters, outputs: outputs.mapValues(\.url), seed: seed)
  }
}
