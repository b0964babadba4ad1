/// What a remote store has of a plan.
import Artifacts
import Foundation
import Pipelines

extension Plan {
  /// The stages whose results this store has, those whose results the remote has, those whose results there are
  /// refused, and the rest.
  package func availability(
    in remote: RemoteStore, store: Store, journal: any RunJournal, context: KeyContext
  ) throws -> Availability {
    var resolver = Resolver(self, store: store, journal: journal, context: context)
    let all = Set(stages.map(\.id))
    resolver.hashSources(of: all)
    var outputs: [StageID: [String: StoredArtifact]] = [:]
    var found = Availability()
    for id in all.sorted() where self[id].dependencies.allSatisfy({ outputs[$0] != nil }) {
      let stage = try resolver.resolve(id) { outputs[$0] }
      if let known = try resolver.lookUp(stage.key, repair: false).outputs {
        outputs[id] = known
        found.here.insert(id)
        continue
      }
      do {
        guard let result = try remote.result(of: stage.key, ports: self[id].outputs.map(\.port)) else { continue }
        outputs[id] = result.outputs
        found.there.insert(id)
      } catch {
        found.refused.append((id, error))
      }
    }
    found.missing = all.subtracting(found.here).subtracting(found.there).subtracting(found.refused.map(\.stage))
      .sorted()
    return found
  }
}

/// Where the results of a plan's stages are.
package struct Availability: Sendable {
  package var here: Set<StageID> = []
  package var there: Set<StageID> = []
  package var refused: [(stage: StageID, error: any Error)] = []
  package var missing: [StageID] = []
}
