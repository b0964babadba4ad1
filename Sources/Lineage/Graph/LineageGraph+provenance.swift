/// The lineage that a published or exported folder carries, without a store.
import Artifacts
import Foundation
import Pipelines
import Scheduling

extension LineageGraph {
  /// What made the folder, or the one of several outputs in one, that lies at `url`.
  package init(at url: URL) throws {
    let (provenance, contents) = try Provenance.read(at: url)
    var artifacts: [Digest: Artifact] = [:]
    let stages = provenance.stages.enumerated().map { index, stage in
      for input in stage.inputs.values where artifacts[input.digest]?.source == nil {
        artifacts[input.digest] = Artifact(
          digest: input.digest, bytes: input.bytes, kind: input.kind, source: input.source)
      }
      for output in stage.outputs.values where artifacts[output.digest] == nil {
        artifacts[output.digest] = Artifact(digest: output.digest, bytes: output.bytes, kind: output.kind)
      }
      return Stage(
        id: index + 1, pipeline: provenance.pipeline, name: stage.name, kind: stage.kind, key: stage.key,
        inputs: stage.inputs.mapValues(\.digest), outputs: stage.outputs.mapValues(\.digest))
    }
    let names = contents.values.sorted()
    let port = names.count == 1 ? RecordedOutputName(names[0])?.port : nil
    self.init(
      of: names.joined(separator: ", "), root: port.flatMap { provenance.stages.last?.outputs[$0]?.digest },
      artifacts: artifacts.values.sorted { $0.digest < $1.digest }, stages: stages)
  }
}
