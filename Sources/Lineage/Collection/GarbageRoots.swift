/// What the database says must stay in the store, and why the rest may go.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

/// Reached from what people still care about.
struct GarbageRoots: Sendable {
  var artifacts: Set<StoredArtifact> = []
  /// Of stages whose work may be resumed or adopted.
  var keys: Set<Digest> = []
  /// Whose logs stay.
  var runs: Set<Int> = []
}

/// Bytes of an evaluation's results per query that stay for comparisons even of runs that nobody named, tagged or noted.
private let smallPerQuery = 16 << 20

/// What decides beside the database.
struct GarbageQuestion: Sendable {
  /// How many of the latest runs stay.
  var keep: Int
  /// Runs whose coordinator lives.
  var live: [Int]
  /// Keys that somebody works at.
  var busy: [Digest]
  /// The stages that a pipeline file has by now; `nil` if it cannot be told, which keeps them all.
  var stages: @Sendable (_ file: URL) -> Set<String>?
}

extension Database {
  func roots(_ question: GarbageQuestion) throws -> GarbageRoots {
    let newest = try newestResults(question.stages)
    // Temporary tables cannot be made in a read; the same words begin every query instead.
    let roots = """
      WITH root_run (id) AS (
        SELECT run FROM pin UNION SELECT value FROM json_each(:live)
        UNION SELECT id FROM (SELECT id FROM run ORDER BY id DESC LIMIT :keep)
      ), root (id, run, key, maker) AS (
        SELECT id, run, key, coalesce(origin, id) FROM stage_run WHERE run IN root_run
        UNION SELECT id, run, key, coalesce(origin, id) FROM stage_run WHERE id IN (SELECT value FROM json_each(:newest))
        UNION SELECT id, run, key, coalesce(origin, id) FROM stage_run WHERE key IN (SELECT value FROM json_each(:busy))
      )
      """
    let arguments: StatementArguments = [
      "live": try storedText(question.live), "keep": question.keep, "newest": try storedText(newest),
      "busy": try storedText(question.busy),
    ]
    // Every comparison's test needs them, of runs of which nothing else is left too.
    let artifacts = try Row.fetchAll(
      self,
      sql: roots + """
         SELECT * FROM artifact WHERE digest IN (
          SELECT digest FROM artifact_edge WHERE stage_run IN (SELECT id FROM root UNION SELECT maker FROM root)
            AND (direction = 'out' OR path IS NULL)
          UNION SELECT digest FROM result_output WHERE key IN (SELECT key FROM root)
          UNION SELECT edge.digest FROM stage_run CROSS JOIN artifact_edge AS edge ON edge.stage_run = stage_run.id
              JOIN artifact AS file ON file.digest = edge.digest
            WHERE stage_run.kind = 'evaluate' AND edge.direction = 'out' AND edge.port = 'per_query'
              AND (file.bytes <= :small OR stage_run.id IN (
                SELECT coalesce(origin, id) FROM stage_run WHERE run IN (
                  SELECT run FROM tag UNION SELECT id FROM run WHERE label IS NOT NULL OR note IS NOT NULL)))
          UNION SELECT digest FROM continuation
            WHERE stage_run IS NULL OR stage_run IN (SELECT id FROM root UNION SELECT maker FROM root)
        )
        """, arguments: arguments + ["small": smallPerQuery])
    let keys = try String.fetchAll(
      self, sql: roots + " SELECT DISTINCT key FROM root WHERE key IS NOT NULL", arguments: arguments)
    let runs = try Int.fetchAll(
      self,
      sql: roots + """
         SELECT id FROM root_run UNION SELECT run FROM root
        UNION SELECT run FROM stage_run WHERE id IN (SELECT maker FROM root)
        """, arguments: arguments)
    return GarbageRoots(
      artifacts: Set(try artifacts.map { try StoredArtifact($0) }), keys: Set(try keys.map { try Digest(stored: $0) }),
      runs: Set(runs))
  }

  /// The newest result of every stage of every pipeline file, as `stage_run.id`.
  private func newestResults(_ stages: (URL) -> Set<String>?) throws -> [Int64] {
    let rows = try Row.fetchAll(
      self,
      sql: """
        SELECT pipeline, file, stage, max(stage_run.id) AS newest
        FROM stage_run JOIN run ON run.id = run JOIN pipeline ON pipeline.id = pipeline
        WHERE stage_run.state IN ('ran', 'cached') GROUP BY pipeline, stage
        """)
    var known: [String: Set<String>?] = [:]
    return rows.compactMap { row in
      let file: String = row["file"]
      if known[file] == nil { known[file] = .some(stages(URL(filePath: file))) }
      if let names = known[file] ?? nil, !names.contains(row["stage"]) { return nil }
      return row["newest"]
    }
  }

  /// Of keys that have a folder of work: what runs say of them; absent: nothing.
  func workStates(of keys: Set<Digest>, live: [Int]) throws -> [Digest: (isFinished: Bool, isRunning: Bool)] {
    let rows = try Row.fetchAll(
      self,
      sql: """
        SELECT key, max(state IN ('ran', 'cached')) AS finished,
          max(state = 'running' AND run IN (SELECT value FROM json_each(:live))) AS running
        FROM stage_run WHERE key IN (SELECT value FROM json_each(:keys)) GROUP BY key
        """, arguments: ["keys": try storedText(Array(keys)), "live": try storedText(live)])
    return Dictionary(
      uniqueKeysWithValues: try rows.map { (try Digest(stored: $0["key"]), ($0["finished"], $0["running"])) })
  }

  /// What a run used is as good as new.
  func unmarkUsed(by run: Int) throws {
    guard try Bool.fetchOne(self, sql: "SELECT EXISTS (SELECT 1 FROM collection_mark)") == true else { return }
    try execute(
      sql: """
        DELETE FROM collection_mark WHERE area = 'object' AND name IN (
          SELECT digest FROM result_output JOIN stage_run USING (key) WHERE run = ?)
        """, arguments: [run])
  }

  /// Forgets results that lack an output from now on, and what belongs to no result.
  /// - Parameter oldest: stamps from before may go; files are read once more then.
  func forget(_ removed: [Digest], stampsBefore oldest: Date?) throws -> Int {
    let digests = try storedText(removed)
    try execute(
      sql: """
        DELETE FROM result WHERE key IN (
          SELECT key FROM result_output WHERE digest IN (SELECT value FROM json_each(?)))
        """, arguments: [digests])
    let results = changesCount
    try execute(
      sql: "DELETE FROM continuation WHERE digest IN (SELECT value FROM json_each(?))", arguments: [digests])
    try execute(
      sql: """
        DELETE FROM key_component WHERE key NOT IN (SELECT key FROM stage_run WHERE key IS NOT NULL)
          AND key NOT IN (SELECT key FROM result)
        """)
    try execute(
      sql: "DELETE FROM file_stamp WHERE recorded IS NULL OR recorded < ?", arguments: [oldest ?? .distantPast])
    return results
  }
}

extension Journal {
  /// Keeps what a run made and used, or no longer.
  package func pin(_ run: Int, _ pinned: Bool) throws {
    try database.write { db in
      try db.execute(
        sql: pinned ? "INSERT OR IGNORE INTO pin (run) VALUES (?)" : "DELETE FROM pin WHERE run = ?", arguments: [run])
    }
  }

  package func pins() throws -> [Int] {
    try database.read { try Int.fetchAll($0, sql: "SELECT run FROM pin ORDER BY run") }
  }
}
