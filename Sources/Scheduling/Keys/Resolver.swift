/// Makes the keys of stages and looks their results up: for a run, and for what a run would do.
import Artifacts
import Foundation
import Hub
import Pipelines
import Synchronization

/// A stage whose inputs are known.
package struct ResolvedStage: Sendable {
  package var key: StageKey
  package var material: KeyMaterial
  /// By port.
  package var inputs: [String: ResolvedInput]
  /// Digests of inputs that lie outside the store.
  package var stamps: [FileStamp: Digest]
  /// A model of the hub that is not there yet, `hf://org/name`.
  package var absentModel: String?
}

package struct ResolvedInput: Sendable {
  package var artifact: StoredArtifact
  /// Where a source lies, which is outside the store.
  var file: URL?
  /// What the source is of, where it comes from the hub; its files need not be there.
  package var hub: HubRevision?

  /// Where it can be read.
  package func url(in store: Store) -> URL { file ?? store.url(of: artifact) }
}

/// New stamps wait here for the next turn's transaction.
private final class StampBuffer: StampMemory {
  private let journal: any RunJournal
  private let new = Mutex<[FileStamp: Digest]>([:])
  init(_ journal: any RunJournal) { self.journal = journal }
  func digest(for stamp: FileStamp) throws -> Digest? {
    try new.withLock { $0[stamp] } ?? journal.digest(for: stamp)
  }
  func remember(_ digest: Digest, for stamp: FileStamp) { new.withLock { $0[stamp] = digest } }
  func take() -> [FileStamp: Digest] {
    new.withLock { new in
      defer { new = [:] }
      return new
    }
  }
}

package struct Resolver: Sendable {
  private let plan: Plan
  let store: Store
  let journal: any RunJournal
  private let context: KeyContext
  private let buffer: StampBuffer
  package let hasher: SourceHasher
  private var recent: [StageKey: [String: StoredArtifact]] = [:]
  private typealias Source = Result<(artifact: StoredArtifact, stamps: [FileStamp: Digest]), any Error>
  /// By the bytes of their paths.
  private var sources: [[UInt8]: Source] = [:]
  private var models: [HubReference: Result<HubRevision, any Error>] = [:]
  private var newModels: [(reference: HubReference, revision: HubRevision)] = []

  package init(_ plan: Plan, store: Store, journal: any RunJournal, context: KeyContext) {
    self.plan = plan
    self.store = store
    self.journal = journal
    self.context = context
    buffer = StampBuffer(journal)
    hasher = SourceHasher(memory: buffer)
  }

  /// Stamps learned since the last call, to be recorded.
  package func newStamps() -> [FileStamp: Digest] { buffer.take() }

  /// What names of models turned out to stand for since the last call, to be recorded.
  package mutating func newNames() -> [(reference: HubReference, revision: HubRevision)] {
    defer { newModels = [] }
    return newModels
  }

  /// Learns the outputs that the pipeline used last; they are good as long as nothing is removed from the store.
  package mutating func recall() throws { recent = try journal.recentOutputs(ofPipeline: plan.name, file: plan.file) }

  package mutating func forget() { recent = [:] }

  /// Hashes every file and folder that the stages read, once for the whole run, on all cores, and learns what names of
  /// models stand for.
  package mutating func hashSources(of selected: Set<StageID>) {
    let references = selected.flatMap { plan[$0].inputs }.compactMap { input in
      if case .hub(let reference) = input.source { reference } else { nil }
    }
    for reference in Set(references).sorted(by: { "\($0)" < "\($1)" }) {
      models[reference] = Result { try revision(of: reference) }
    }
    let found = selected.flatMap { plan[$0].inputs }.compactMap { input in
      if case .file(let url) = input.source { (url.pathBytes, url) } else { nil }
    }
    let urls = Array(Dictionary(found) { first, _ in first })
    let hasher = hasher
    let results = Mutex<[[UInt8]: Source]>([:])
    DispatchQueue.concurrentPerform(iterations: urls.count) { index in
      let result = Result { try hasher.hash(urls[index].value) }
      results.withLock { $0[urls[index].key] = result }
    }
    sources = results.withLock { $0 }
  }

  private mutating func revision(of reference: HubReference) throws -> HubRevision {
    let known = try journal.hubRevision(of: reference)
    let revision = try context.hub.revision(of: reference, known: known, refresh: context.asksHubAgain)
    if revision != known { newModels.append((reference, revision)) }
    return revision
  }

  /// - Parameter outputs: of the stages that it depends on, by id and port.
  package func resolve(
    _ id: StageID, outputs: (StageID) -> [String: StoredArtifact]?
  ) throws -> ResolvedStage {
    let stage = plan[id]
    var inputs: [String: ResolvedInput] = [:]
    var stamps: [FileStamp: Digest] = [:]
    for input in stage.inputs {
      switch input.source {
      case .file(let url):
        guard let source = try sources[url.pathBytes]?.get() else { throw FileError("read", url, code: ENOENT) }
        inputs[input.port] = ResolvedInput(artifact: source.artifact, file: url)
        stamps.merge(source.stamps) { $1 }
      case .stage(let upstream, let port):
        guard let artifact = outputs(upstream)?[port] else {
          throw MissingUpstream(stage: plan[upstream].name, port: port)
        }
        inputs[input.port] = ResolvedInput(artifact: artifact)
      case .hub(let reference):
        guard let revision = try models[reference]?.get() else { throw NeverResolved(stage: stage.name) }
        inputs[input.port] = ResolvedInput(
          artifact: try revision.artifact, file: context.hub.folder(of: revision), hub: revision)
      }
    }
    let material = try context.material(of: stage, inputs: inputs.mapValues(\.artifact.digest), hasher: hasher)
    let absent = inputs.sorted { $0.key < $1.key }.compactMap(\.value.hub).first { !context.hub.holds($0) }
    return ResolvedStage(
      key: material.key, material: material, inputs: inputs, stamps: stamps,
      absentModel: absent.map { "hf://\($0.repository)" })
  }

  /// The recorded outputs by port, if the store still holds them; otherwise also what is damaged.
  /// - Parameter repair: make again what the store can make again itself; `false` writes nothing.
  package func lookUp(
    _ key: StageKey, repair: Bool
  ) throws -> (outputs: [String: StoredArtifact]?, damage: Damage?) {
    guard let outputs = try recent[key] ?? journal.outputs(for: key) else { return (nil, nil) }
    for (_, artifact) in outputs.sorted(by: { $0.key < $1.key }) {
      let owner = "check-\(key)-\(getpid())"
      if let damage = try store.damage(of: artifact, owner: owner, repair: repair) { return (nil, damage) }
    }
    return (outputs, nil)
  }
}

/// An error of ours, for which no stage may stay unfinished.
struct NeverResolved: Error, CustomStringConvertible {
  let stage: String
  var description: String {
    "stage `\(stage)` was to be run or published before its inputs or outputs were known, which is an error in retort; "
      + "please report it, and run again"
  }
}

struct MissingUpstream: Error, CustomStringConvertible {
  let stage: String
  let port: String
  var description: String { "stage `\(stage)` has no output `\(port)`" }
}
