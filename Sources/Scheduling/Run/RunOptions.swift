/// What a user says about one run: which stages, how much at once, and how stubbornly.
import Pipelines

package struct RunOptions: Sendable {
  package var limits: RunLimits
  /// Closed under dependencies, see `Plan.closure`.
  package var selected: Set<StageID>
  /// Those of them that may run; the others must be cached. `nil`: all.
  package var mayRun: Set<StageID>?
  /// Run although their results are known.
  package var forced: Set<StageID>
  /// Those of them that the run which this one goes on with has begun: they go on where it was cut off.
  package var begun: Set<StageID>
  /// Replace published files that were changed since.
  package var overwrite: Bool
  /// Take results from there instead of computing them.
  package var remote: RemoteOrder?
  /// Have built-in stages tell where their time goes.
  package var profiles: Bool
  /// What the user calls the run.
  package var name: String?
  /// The run that was cut off and that this one goes on with.
  package var continues: CutOffRun?
  /// The time before an attempt, counted from 2; absent: what the stage says.
  package var backOff: (@Sendable (_ attempt: Int) -> Duration)?

  package init(
    limits: RunLimits, selected: Set<StageID>, mayRun: Set<StageID>? = nil, forced: Set<StageID> = [],
    begun: Set<StageID> = [], overwrite: Bool = false, remote: RemoteOrder? = nil, profiles: Bool = false,
    name: String? = nil, continues: CutOffRun? = nil,
    backOff: (@Sendable (Int) -> Duration)? = nil
  ) {
    self.limits = limits
    self.selected = selected
    self.mayRun = mayRun
    self.forced = forced
    self.begun = begun
    self.overwrite = overwrite
    self.remote = remote
    self.profiles = profiles
    self.name = name
    self.continues = continues
    self.backOff = backOff
  }
}

extension Plan {
  /// The stages and all that needs them, directly or not.
  package func dependents(of sources: Set<StageID>) -> Set<StageID> {
    stages.reduce(into: sources) { found, stage in
      if stage.dependencies.contains(where: found.contains) { found.insert(stage.id) }
    }
  }

  /// The stages and all that they need, directly or not.
  package func closure(of targets: Set<StageID>) -> Set<StageID> {
    var closure = targets
    for id in stages.indices.reversed().map(StageID.init(index:)) where closure.contains(id) {
      closure.formUnion(self[id].dependencies)
    }
    return closure
  }
}

struct MustBeCached: Error, CustomStringConvertible {
  let stage: String
  var description: String {
    "the result of stage `\(stage)` is not known, and --only or --from keep it from running; run it first"
  }
}
