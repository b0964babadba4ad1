/// Gives another store on the same filesystem an artifact without copying it.
import Foundation

extension Store {
  /// Afterwards the other store has the artifact whatever becomes of this one's.
  /// - Throws: `Damage` if the artifact is not whole.
  package func lend(_ artifact: StoredArtifact, to other: Store, owner: String) throws {
    if let damage = try damage(of: artifact, owner: owner) { throw damage }
    let members = artifact.kind == .folder ? try manifest(artifact.digest)?.files ?? [] : []
    for digest in Set(members + [artifact.digest]) where FileStatus.of(other.object(digest)) == nil {
      let target = other.object(digest)
      try files.makeFolder(target.deletingLastPathComponent())
      if try !files.link(object(digest), at: target) {
        _ = try files.copy(object(digest), to: target, mode: 0o444, sealed: true)
      }
    }
    if let damage = try other.damage(of: artifact, owner: owner) { throw damage }
  }
}
