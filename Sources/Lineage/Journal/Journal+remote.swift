/// A run's results as a remote store keeps them.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// Of every stage of the run whose result is still known, in the order in which they began.
  package func remoteResults(ofRun run: Int) throws -> [RemoteResult] {
    try database.read { db in
      let stages = try Row.fetchAll(
        db,
        sql: """
          SELECT stage_run.stage, stage_run.kind, stage_run.key, maker.id AS maker, maker.stage AS made, maker.run AS origin
          FROM stage_run JOIN result USING (key) JOIN stage_run AS maker ON maker.id = result.stage_run
          WHERE stage_run.run = ? AND stage_run.state IN ('ran', 'cached') ORDER BY stage_run.id
          """, arguments: [run])
      return try stages.map { stage in
        let key: String = stage["key"]
        let outputs = try Row.fetchAll(
          db, sql: "SELECT * FROM result_output JOIN artifact USING (digest) WHERE key = ?", arguments: [key])
        let components = try Row.fetchAll(
          db, sql: "SELECT name, value FROM key_component WHERE key = ? ORDER BY position", arguments: [key])
        let metrics = try Row.fetchAll(
          db, sql: "SELECT name, step, value FROM metric WHERE stage_run = ? ORDER BY rowid",
          arguments: [stage["maker"] as Int64])
        return RemoteResult(
          key: StageKey(try Digest(stored: key)), stage: stage["stage"], kind: stage["kind"],
          outputs: Dictionary(
            uniqueKeysWithValues: try outputs.map { ($0["port"] as String, try StoredArtifact($0)) }),
          preimage: try components.map { component in
            let value = Data((component["value"] as String).utf8)
            return KeyComponent(
              name: component["name"], value: try JSONDecoder().decode(ParameterValue.self, from: value))
          },
          metrics: metrics.map { .init(name: $0["name"], step: $0["step"], value: $0["value"]) },
          verdict: try db.verdict(ofStage: stage["made"], run: stage["origin"]))
      }
    }
  }
}
