/// Copies a stage's outputs to where the pipeline file wants them, with a description of what made them.
import Artifacts
import Foundation
import Pipelines

/// `retort.json`: everything that made the outputs, readable without the store.
package struct Provenance: Codable, Sendable {
  package struct Stage: Codable, Sendable {
    package var name: String
    package var kind: String
    package var key: StageKey
    package var parameters: [String: ParameterValue]
    package var seed: UInt64?
    package var inputs: [String: Digest]
    package var outputs: [String: Digest]
    package var metrics: [String: Double]

    package init(
      name: String, kind: String, key: StageKey, parameters: [String: ParameterValue], seed: UInt64?,
      inputs: [String: Digest], outputs: [String: Digest], metrics: [String: Double]
    ) {
      self.name = name
      self.kind = kind
      self.key = key
      self.parameters = parameters
      self.seed = seed
      self.inputs = inputs
      self.outputs = outputs
      self.metrics = metrics
    }
  }
  package var retort: String
  package var pipeline: String
  /// The stage whose outputs these are, last; before it all that it was made from, in order.
  package var stages: [Stage]

  package init(pipeline: String, stages: [Stage]) {
    retort = "1"
    self.pipeline = pipeline
    self.stages = stages
  }
}

struct Publisher: Sendable {
  let store: Store
  let journal: any RunJournal
  let hasher: SourceHasher
  let overwrite: Bool

  /// `nil` if it lies there already.
  func publish(
    _ publication: Publication, of stage: String, outputs: [String: StoredArtifact], provenance: Provenance
  ) throws -> PublicationRecord? {
    var artifacts: [String: StoredArtifact] = [:]
    for target in publication.targets {
      guard let artifact = outputs[target.port] else { throw MissingUpstream(stage: stage, port: target.port) }
      artifacts[target.url == publication.url ? "" : target.port] = artifact
    }
    let content = PublishedContent(artifacts: artifacts, description: try storedJSON(provenance))
    let last = try journal.publication(at: publication.url)
    let identity = content.digest
    if let last, last.content == identity, FileStatus.of(publication.url) != nil,
      try hasher.hash(publication.url).artifact.digest == last.digest
    {
      return nil
    }
    let digest = try store.publish(
      content, to: publication.url, last: last?.digest, overwrite: overwrite, hasher: hasher)
    return PublicationRecord(target: publication.url, stage: stage, content: identity, digest: digest)
  }
}

extension PublishedContent {
  fileprivate var digest: Digest {
    var hash = CanonicalHash(domain: "retort publication 1")
    hash.addMap(count: artifacts.count)
    for (name, artifact) in artifacts.sorted(by: { canonicalOrder($0.key, $1.key) }) {
      hash.add(name)
      hash.add(artifact.digest.description)
    }
    hash.add(String(decoding: description, as: UTF8.self))
    return hash.finish()
  }
}
