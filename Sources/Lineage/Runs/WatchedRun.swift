/// A run as it is at this moment, for those who watch it.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

package struct WatchedRun: Sendable {
  package struct Stage: Sendable {
    package var name: String
    package var kind: String
    package var state: StageRecord.State
    package var attempt: Int
    package var started: Date
    package var ended: Date?
    package var key: StageKey?
    package var error: String?
  }
  package var run: Int
  package var pipeline: String
  package var file: String
  /// running, done, failed, waited too long, interrupted
  package var state: String
  package var started: Date
  package var ended: Date?
  package var host: String
  /// Of the coordinator.
  package var pid: Int32
  /// How many stages it is to bring to an end.
  package var planned: Int?
  /// Those that began or ended, in the order in which they began.
  package var stages: [Stage]
  /// What it goes on with, and what goes on with it.
  package var recovery: Recovery?
  package var continuedBy: Int?
}

extension Journal {
  /// The latest run that goes on, else the latest; `nil` if there was none.
  package func runToWatch() throws -> Int? {
    try database.read { db in
      try Int.fetchOne(db, sql: "SELECT id FROM run ORDER BY state = 'running' DESC, id DESC LIMIT 1")
    }
  }

  package func watched(_ run: Int) throws -> WatchedRun {
    try database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT name, file, state, started, ended, host, pid, stages FROM run JOIN pipeline ON pipeline.id = run.pipeline
          WHERE run.id = ?
          """, arguments: [run])
      guard let row else { throw UnknownRun(name: String(run)) }
      let stages = try Row.fetchAll(
        db,
        sql: "SELECT stage, kind, state, attempt, started, ended, key, error FROM stage_run WHERE run = ? ORDER BY id",
        arguments: [run])
      return WatchedRun(
        run: run, pipeline: row["name"], file: row["file"], state: row["state"], started: row["started"],
        ended: row["ended"], host: row["host"], pid: row["pid"], planned: row["stages"],
        stages: try stages.map { stage in
          let word: String = stage["state"]
          guard let state = StageRecord.State(rawValue: word) else {
            throw DamagedRow(found: word, expected: "a stage's state")
          }
          return WatchedRun.Stage(
            name: stage["stage"], kind: stage["kind"], state: state, attempt: stage["attempt"],
            started: stage["started"], ended: stage["ended"],
            key: try (stage["key"] as String?).map { StageKey(try Digest(stored: $0)) }, error: stage["error"])
        }, recovery: try db.recovery(of: run), continuedBy: try db.continuation(of: run))
    }
  }
}
