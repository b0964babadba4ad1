/// A run's results as a remote store keeps them.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// The results of a run's stages, of every stage whose result is still known, in the order in which they began.
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
        let metrics = try Row.fetchAll(
          db, sql: "SELECT name, step, value FROM metric WHERE stage_run = ? ORDER BY rowid",
          arguments: [stage["maker"] as Int64])
        let result = StageResult(
          stage: stage["stage"], outputs: try db.outputs(of: stage["key"]),
          metrics: metrics.map { .init(name: $0["name"], value: $0["value"] ?? .nan, step: $0["step"]) },
          verdict: try db.verdict(ofStage: stage["made"], run: stage["origin"]))
        return RemoteResult(try db.recorded(result, under: stage["key"]), kind: stage["kind"])
      }
    }
  }
}
