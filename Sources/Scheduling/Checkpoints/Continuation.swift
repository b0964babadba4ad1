/// Longer runs of what was run before: the final state of a training, and from where a longer one takes it up.
import Artifacts
import Foundation
import Pipelines

/// In a work order: under which key the final state is to be kept, and from which one to begin.
package struct Continuation: Codable, Sendable {
  /// The stage's without the parameter that extends.
  package var key: StageKey
  /// That parameter's value.
  package var length: Int
  /// A folder of the store.
  package var from: URL?
}

/// A final state that the store keeps.
package struct StoredContinuation: Codable, Sendable, Hashable {
  package var key: StageKey
  package var length: Int
  package var artifact: StoredArtifact

  package init(key: StageKey, length: Int, artifact: StoredArtifact) {
    self.key = key
    self.length = length
    self.artifact = artifact
  }
}

extension Resolver {
  /// The longest final state that a stage can go on from and that the store still holds.
  /// - Parameter repair: as in `lookUp`.
  package func continuation(of stage: ResolvedStage, repair: Bool) throws -> StoredContinuation? {
    guard let (key, length) = stage.material.continuation else { return nil }
    let hold = repair ? try store.keepingAll() : nil
    defer { withExtendedLifetime(hold) {} }
    return try journal.continuations(of: key, upTo: length).first {
      try store.damage(of: $0.artifact, owner: "check-\(key)-\(getpid())", repair: repair) == nil
    }
  }
}
