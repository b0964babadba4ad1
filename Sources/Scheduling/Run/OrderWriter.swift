/// Turns a stage whose inputs are known into what its worker is told, and what the journal says it was given.
import Artifacts
import Foundation
import Pipelines

struct OrderWriter: Sendable {
  let plan: Plan
  let store: Store
  let journal: any RunJournal
  let remote: RemoteOrder?
  /// Whether workers tell where their time goes.
  let profiles: Bool

  /// More results than these are not looked through: the newest mostly has every row that there is.
  private static let earlierResults = 4

  /// - Parameters:
  ///   - anew: whether it begins at its beginning, whatever an earlier attempt saved.
  ///   - state: the final state of a shorter training that this one goes on from.
  func order(
    for stage: ResolvedStage, anew: Bool, forced: Bool, from state: StoredContinuation?
  ) throws -> WorkOrder {
    // A forced stage shows what computing gives.
    let function = forced ? nil : stage.material.functionKey
    let earlier = try function.map { try journal.earlierOutputs(of: $0, limit: Self.earlierResults) } ?? []
    var order = WorkOrder(
      job: Job(
        material: stage.material, key: stage.key, inputs: stage.bound(in: store, of: plan),
        earlier: earlier.map { $0.mapValues { EarlierOutput(artifact: $0, url: store.url(of: $0)) } },
        work: store.workFolder(of: stage.key.digest), store: store.root),
      sources: stage.inputs.keys.filter { stage.inputs[$0]?.file != nil }, stamps: KnownStamps(stage.stamps),
      force: forced, remote: remote, profiles: profiles)
    order.anew = anew
    order.numerics = stage.material.stage.description.numeric ? stage.material.numericsProfile : nil
    order.continuation = stage.material.continuation.map { key, length in
      Continuation(key: key, length: length, from: state.map { store.url(of: $0.artifact) })
    }
    return order
  }

  func recordedInputs(of stage: ResolvedStage) -> [String: StageRecord.Input] {
    var recorded: [String: StageRecord.Input] = [:]
    for input in stage.material.stage.inputs {
      guard let known = stage.inputs[input.port] else { continue }
      recorded[input.port] = StageRecord.Input(
        artifact: known.artifact, path: known.file, hub: known.hub?.name, output: plan.name(of: input.source))
    }
    return recorded
  }
}

extension ResolvedStage {
  /// What the stage's worker is given, by port.
  func bound(in store: Store, of plan: Plan) -> [String: BoundArtifact] {
    var bound: [String: BoundArtifact] = [:]
    for input in material.stage.inputs {
      guard let known = inputs[input.port] else { continue }
      bound[input.port] = BoundArtifact(
        url: known.url(in: store), digest: known.artifact.digest.description,
        type: known.file == nil || known.hub != nil ? input.type : nil,
        name: known.hub.map { "hf://\($0.repository)" } ?? plan.name(of: input.source), label: input.label,
        files: known.hub?.files.map(\.path))
    }
    return bound
  }
}

extension Plan {
  /// `split.train`; `nil` for what no stage makes.
  fileprivate func name(of source: InputSource) -> String? {
    if case .stage(let id, let port) = source { "\(self[id].name).\(port)" } else { nil }
  }
}
