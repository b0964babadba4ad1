/// What executions of stages took: time, memory, inputs, outputs. Forecasts rest on it.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// Executions of stages of one kind that began and ended in one attempt, newest first.
  ///
  /// One that went on where an interrupted or failed one had stopped took less than a whole one, and is left out.
  package func usage(of stage: StageDescription, limit: Int = 50) throws -> [StageUsage] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT stage_run.*, pipeline.name AS pipeline_name, pipeline.file AS pipeline_file
          FROM stage_run JOIN run ON run.id = run JOIN pipeline ON pipeline.id = run.pipeline
          WHERE stage_run.state IN ('ran', 'failed', 'interrupted') AND kind = ? ORDER BY stage_run.id DESC
          """, arguments: [stage.kind.name])
      let broken = rows.filter { $0["state"] != "ran" }.map { (key: $0["key"] as String?, id: $0["id"] as Int64) }
      return try rows.lazy.filter { row in
        let (key, id, attempt): (String?, Int64, Int) = (row["key"], row["id"], row["attempt"])
        return row["state"] == "ran" && attempt <= 1 && !broken.contains { $0.key == key && $0.id < id }
      }.prefix(limit).compactMap { try db.usage($0, stage) }
    }
  }
}

extension Database {
  /// `nil` if the times are not known.
  fileprivate func usage(_ row: Row, _ stage: StageDescription) throws -> StageUsage? {
    guard let ended = row["ended"] as Date?, let started = row["started"] as Date? else { return nil }
    var usage = StageUsage(
      pipeline: row["pipeline_name"], file: row["pipeline_file"], base: row["base"],
      seconds: ended.timeIntervalSince(started), peakMemory: row["peak_memory"],
      repeats: try parameter(stage.parameter(.repeats), key: row["key"]),
      limit: try parameter(stage.parameter(.limits), key: row["key"]))
    let edges = try cachedStatement(
      sql:
        "SELECT port, direction, digest, bytes, kind FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ?"
    )
    for edge in try Row.fetchAll(edges, arguments: [row["id"] as Int64]) {
      let artifact = try StoredArtifact(edge)
      if edge["direction"] == "in" {
        usage.inputs[edge["port"]] = artifact
      } else {
        usage.outputs[edge["port"]] = artifact
      }
    }
    return usage
  }

  /// An integer parameter; `nil` if the stage has none of that name, or its key's components are gone.
  private func parameter(_ name: String?, key: String?) throws -> Int? {
    guard let name else { return nil }
    let statement = try cachedStatement(sql: "SELECT value FROM key_component WHERE key = ? AND name = ?")
    return try String.fetchOne(statement, arguments: [key, "with.\(name)"]).flatMap { Int($0) }
  }
}
