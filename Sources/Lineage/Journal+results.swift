/// What stages gave, as the rows of a key have it.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// What the stage gave, and the run that made it: of the latest run that has a result of it, unless a run is named.
  package func recordedResult(ofStage stage: String, run: Int?) throws -> (result: RecordedResult, run: Int)? {
    try database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT maker.id, maker.run, maker.stage, maker.key FROM stage_run AS asked
            JOIN stage_run AS maker ON maker.id = coalesce(asked.origin, asked.id)
          WHERE asked.stage = ?1 AND (asked.run = ?2 OR ?2 IS NULL) AND asked.state IN ('ran', 'cached')
          ORDER BY asked.id DESC LIMIT 1
          """, arguments: [stage, run])
      guard let row else { return nil }
      let outputs = try Row.fetchAll(
        db,
        sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ? AND direction = 'out'",
        arguments: [row["id"] as Int64])
      let result = StageResult(
        stage: row["stage"],
        outputs: Dictionary(uniqueKeysWithValues: try outputs.map { ($0["port"] as String, try StoredArtifact($0)) }))
      return (try db.recorded(result, under: row["key"]), row["run"])
    }
  }
}

extension Database {
  /// Recorded outputs of a key, which is given as stored, by port.
  func outputs(of key: String) throws -> [String: StoredArtifact] {
    let statement = try cachedStatement(
      sql: "SELECT port, digest, bytes, artifact.kind FROM result_output JOIN artifact USING (digest) WHERE key = ?")
    let rows = try Row.fetchAll(statement, arguments: [key])
    return Dictionary(uniqueKeysWithValues: try rows.map { ($0["port"] as String, try StoredArtifact($0)) })
  }

  /// What a key, which is given as stored, was made of.
  func preimage(of key: String) throws -> [KeyComponent] {
    let rows = try Row.fetchAll(
      self, sql: "SELECT name, value FROM key_component WHERE key = ? ORDER BY position", arguments: [key])
    return try rows.map { KeyComponent(name: $0["name"], value: try decoded($0["value"])) }
  }

  /// A result with its key, which is given as stored, and what that was made of.
  func recorded(_ result: StageResult, under key: String) throws -> RecordedResult {
    RecordedResult(key: StageKey(try Digest(stored: key)), preimage: try preimage(of: key), result: result)
  }
}
