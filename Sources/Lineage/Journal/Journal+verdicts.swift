/// What trainings were worth, read from where the run that made a result noted it, and the little more that a run's end
/// tells.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Database {
  /// - Parameter run: the one in which the stage was executed.
  func verdict(ofStage stage: String, run: Int) throws -> Verdict? {
    let statement = try cachedStatement(
      sql: "SELECT message FROM event WHERE run = ? AND stage = ? AND kind = 'verdict' ORDER BY id DESC LIMIT 1")
    return try String.fetchOne(statement, arguments: [run, stage]).map(decoded)
  }
}

/// A training of a run and what it was worth.
package struct JudgedTraining: Sendable, Hashable {
  package var stage: String
  package var verdict: Verdict

  package init(stage: String, verdict: Verdict) {
    self.stage = stage
    self.verdict = verdict
  }
}

extension Journal {
  /// The run's trainings that were judged, in the order in which they began; those of an earlier run that it took over
  /// are among them.
  package func judgedTrainings(ofRun run: Int) throws -> [JudgedTraining] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT asked.stage AS name, maker.stage, maker.run
          FROM stage_run AS asked JOIN stage_run AS maker ON maker.id = coalesce(asked.origin, asked.id)
          WHERE asked.run = ? AND asked.state IN ('ran', 'cached')
            AND maker.run IN (SELECT run FROM event WHERE kind = 'verdict')
          ORDER BY asked.id
          """, arguments: [run])
      return try rows.compactMap { row in
        try db.verdict(ofStage: row["stage"], run: row["run"]).map { JudgedTraining(stage: row["name"], verdict: $0) }
      }
    }
  }

  /// The outputs of a stage that the run made or took over, by port; empty for others.
  package func outputs(ofStage stage: String, run: Int) throws -> [String: StoredArtifact] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT artifact_edge.port, artifact.* FROM stage_run
            JOIN artifact_edge ON artifact_edge.stage_run = coalesce(origin, stage_run.id) AND direction = 'out'
            JOIN artifact USING (digest)
          WHERE run = ? AND stage = ? AND state IN ('ran', 'cached')
          """, arguments: [run, stage])
      return Dictionary(uniqueKeysWithValues: try rows.map { ($0["port"] as String, try StoredArtifact($0)) })
    }
  }

  package func finalMetrics(ofStage stage: String, run: Int) throws -> [String: Double] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT metric.name, value FROM stage_run JOIN metric ON metric.stage_run = coalesce(origin, stage_run.id)
          WHERE run = ? AND stage = ? AND step IS NULL AND value IS NOT NULL ORDER BY metric.rowid
          """, arguments: [run, stage])
      return Dictionary(rows.map { ($0["name"] as String, $0["value"] as Double) }) { $1 }
    }
  }

  /// The last run before it that brought the same pipeline to its end.
  package func runBefore(_ run: Int) throws -> Int? {
    try database.read { db in
      try Int.fetchOne(
        db,
        sql: """
          SELECT max(earlier.id) FROM run JOIN run AS earlier ON earlier.pipeline = run.pipeline AND earlier.id < run.id
          WHERE run.id = ? AND earlier.state = 'done'
          """, arguments: [run])
    }
  }
}
