/// What a remote store has of a plan, and what a worker is told of the store.
import Artifacts
import Foundation
import Pipelines

/// Where a worker may take results from instead of computing them.
package struct RemoteOrder: Codable, Sendable {
  package var folder: URL
  /// Take it or fail.
  package var isOnly: Bool
  /// Whether the worker gets a `RemoteKey`, on its standard input: it is in no file. Older orders say nothing.
  package var isSigned: Bool?
  package init(folder: URL, isOnly: Bool, isSigned: Bool) {
    self.folder = folder
    self.isOnly = isOnly
    self.isSigned = isSigned
  }
}

// Another attempt would find the same.
extension RemoteDamage: PermanentFailure {}
extension NotInRemote: PermanentFailure {}

struct NotInRemote: Error, CustomStringConvertible {
  let remote: URL
  var description: String { "the remote store \(remote.posixPath) no longer has the result" }
}

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
