/// Copies a stage's outputs to where the pipeline file wants them, with a description of what made them.
import Artifacts
import Foundation
import Hub
import Pipelines

struct Publisher: Sendable {
  let pipeline: String
  let store: Store
  let journal: any RunJournal
  let hasher: SourceHasher
  let overwrite: Bool
  let hub: Hub

  struct Outcome {
    /// `nil` if nothing was copied.
    var record: PublicationRecord?
    var warning: String?
  }

  func publish(
    _ publication: Publication, of stage: PlannedStage, key: StageKey, outputs: [String: StoredArtifact]
  ) throws -> Outcome {
    let provenance = Provenance(pipeline: pipeline, stage: stage.name, stages: try journal.provenance(of: key))
    let verdict = provenance.stages.last?.verdict
    if let verdict, publication.isWithheld(by: verdict) {
      let rest = FileStatus.of(publication.url) == nil ? "" : "; what lies there stays"
      return Outcome(
        warning: "not published to \(publication.url.posixPath) (`if: not_worse`): \(verdict.sentence)\(rest)")
    }
    let record = try copy(publication, of: stage, outputs: outputs, provenance: provenance)
    guard publication.condition != nil, verdict == nil else { return Outcome(record: record) }
    return Outcome(
      record: record,
      warning: "published although no verdict is known, which `if: not_worse` goes by: nothing was trained, or by a "
        + "retort that kept none; `retort run FILE --force \(stage.name)` trains again")
  }

  /// `nil` if it lies there already.
  private func copy(
    _ publication: Publication, of stage: PlannedStage, outputs: [String: StoredArtifact], provenance: Provenance
  ) throws -> PublicationRecord? {
    for target in publication.targets where outputs[target.port] == nil {
      throw MissingUpstream(stage: stage.name, port: target.port)
    }
    let files = Dictionary(uniqueKeysWithValues: publication.targets.map { ($0.port, $0.file) })
    let content = try PublishedContent(
      outputs, named: { files[$0] ?? $0 }, in: store, meaning: stage.description, provenance: provenance, hub: hub)
    let last = try journal.publication(at: publication.url)
    let identity = content.digest
    if let last, last.content == identity, FileStatus.of(publication.url) != nil,
      try hasher.hash(publication.url).artifact.digest == last.digest
    {
      return nil
    }
    let digest = try store.publish(
      content, to: publication.url, last: last?.digest, overwrite: overwrite, hasher: hasher)
    return PublicationRecord(target: publication.url, stage: stage.name, content: identity, digest: digest)
  }
}

extension PublishedContent {
  /// A stage's outputs with what made them, and cards beside models. The only output is the target itself; several lie
  /// in it by their files' names.
  package init(
    _ outputs: [String: StoredArtifact], named file: (_ port: String) -> String, in store: Store,
    meaning: StageDescription, provenance: Provenance, hub: Hub = Hub()
  ) throws {
    var provenance = provenance
    var artifacts: [String: StoredArtifact] = [:]
    var cards: [String: Data] = [:]
    for (port, artifact) in outputs {
      let name = outputs.count == 1 ? "" : file(port)
      artifacts[name] = artifact
      provenance.contents[name.isEmpty ? "." : name] = "\(provenance.stage).\(port)"
      guard artifact.kind == .folder else { continue }
      let card = try ModelCard(
        of: store.url(of: artifact), port: port, meaning: meaning, provenance: provenance, hub: hub)
      cards[name] = card.map { Data($0.text.utf8) }
    }
    self.init(artifacts: artifacts, description: try provenance.encoded(), cards: cards)
  }

  fileprivate var digest: Digest {
    var hash = CanonicalHash(domain: "retort publication 1")
    hash.addMap(count: artifacts.count)
    for (name, artifact) in artifacts.sorted(by: { canonicalOrder($0.key, $1.key) }) {
      hash.add(name)
      hash.add(artifact.digest.description)
    }
    hash.add(String(decoding: description, as: UTF8.self))
    // A publication without cards keeps the digest it had before there were any.
    for (name, card) in cards.sorted(by: { canonicalOrder($0.key, $1.key) }) {
      hash.add(name)
      hash.add(String(decoding: card, as: UTF8.self))
    }
    return hash.finish()
  }
}
