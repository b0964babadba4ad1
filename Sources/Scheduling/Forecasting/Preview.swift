/// What a run would do: for `plan`, `status` and `run -n`. Runs nothing and records nothing.
import Artifacts
import Foundation
import Pipelines

package struct StagePreview: Sendable {
  package enum Verdict: Sendable {
    case cached
    /// With what keeps a known result from being used, if there is one.
    case willRun(damage: Damage?)
    /// Waits for the results of these stages.
    case mayRun(after: [StageID])
    /// Its inputs or tools cannot be read.
    case broken(String)
  }
  package var id: StageID
  package var verdict: Verdict
  /// Where the inputs are known.
  package var resolved: ResolvedStage?
  /// Where the result is known.
  package var outputs: [String: StoredArtifact]?
  /// The final state of a shorter run that a stage which will run goes on from.
  package var continuation: StoredContinuation?
  /// The step after which an interrupted attempt of a stage which will run goes on.
  package var savedStep: Int?
}

extension Plan {
  /// What every selected stage would do, in the plan's order.
  package func preview(
    _ selected: Set<StageID>, forced: Set<StageID> = [], store: Store, journal: any RunJournal, context: KeyContext
  ) -> [StagePreview] {
    var resolver = Resolver(self, store: store, journal: journal, context: context)
    resolver.hashSources(of: selected)
    var outputs: [StageID: [String: StoredArtifact]] = [:]
    return selected.sorted().map { id in
      let missing = self[id].dependencies.filter { outputs[$0] == nil }
      guard missing.isEmpty else { return StagePreview(id: id, verdict: .mayRun(after: missing)) }
      do {
        let stage = try resolver.resolve(id) { outputs[$0] }
        let (known, damage) = try resolver.lookUp(stage.key, repair: false)
        guard let known, !forced.contains(id) else {
          let anew = forced.contains(id)
          return StagePreview(
            id: id, verdict: .willRun(damage: damage), resolved: stage,
            continuation: anew ? nil : try resolver.continuation(of: stage, repair: false),
            savedStep: anew ? nil : try WorkFolder(store.workFolder(of: stage.key.digest)).savedStep())
        }
        outputs[id] = known
        return StagePreview(id: id, verdict: .cached, resolved: stage, outputs: known)
      } catch {
        return StagePreview(id: id, verdict: .broken("\(error)"))
      }
    }
  }
}
