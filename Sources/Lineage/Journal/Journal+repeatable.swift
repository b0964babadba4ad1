/// What is recorded of one stage of a run, for running it again.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// Of the latest run that has a result of the stage, unless a run is named.
  package func repeatableStage(_ stage: String, run: Int?) throws -> RepeatableStage? {
    try database.read { db -> RepeatableStage? in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT maker.id, maker.run, maker.stage, maker.key FROM stage_run AS asked
            JOIN stage_run AS maker ON maker.id = coalesce(asked.origin, asked.id)
          WHERE asked.stage = ?1 AND (asked.run = ?2 OR ?2 IS NULL) AND asked.state IN ('ran', 'cached')
          ORDER BY asked.id DESC LIMIT 1
          """, arguments: [stage, run])
      guard let row else { return nil }
      let key: String = row["key"]
      let outputs = try Row.fetchAll(
        db,
        sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ? AND direction = 'out'",
        arguments: [row["id"] as Int64])
      let components = try Row.fetchAll(
        db, sql: "SELECT name, value FROM key_component WHERE key = ?", arguments: [key])
      return RepeatableStage(
        run: row["run"], stage: row["stage"], key: StageKey(try Digest(stored: key)),
        preimage: try components.map { component in
          let value = Data((component["value"] as String).utf8)
          return KeyComponent(
            name: component["name"], value: try JSONDecoder().decode(ParameterValue.self, from: value))
        },
        outputs: Dictionary(uniqueKeysWithValues: try outputs.map { ($0["port"] as String, try StoredArtifact($0)) }))
    }
  }
}
