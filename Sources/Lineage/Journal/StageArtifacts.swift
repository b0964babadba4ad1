/// What one stage of a run took and made, by port; of a cached one what its maker did.
import Artifacts
import Foundation
import GRDB
import Scheduling

package struct StageArtifacts: Sendable, Hashable {
  package var inputs: [String: StoredArtifact] = [:]
  package var outputs: [String: StoredArtifact] = [:]
}

extension Journal {
  package func artifacts(ofStage stage: String, run: Int) throws -> StageArtifacts {
    try database.read { db in
      let rows = try Row.fetchAll(
        db.cachedStatement(
          sql: """
            SELECT port, direction, digest, bytes, artifact.kind FROM artifact_edge JOIN artifact USING (digest)
            WHERE stage_run = (SELECT coalesce(origin, id) FROM stage_run WHERE run = ? AND stage = ?)
            """), arguments: [run, stage])
      var artifacts = StageArtifacts()
      for row in rows {
        let path = row["direction"] == "in" ? \StageArtifacts.inputs : \StageArtifacts.outputs
        artifacts[keyPath: path][row["port"]] = try StoredArtifact(row)
      }
      return artifacts
    }
  }
}
