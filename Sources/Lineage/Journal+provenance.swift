/// A recorded stage's outputs with everything that made them: what an export carries with it.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Journal {
  /// `nil` if the run has no stage of that name with outputs.
  package func provenance(
    ofStage stage: String, run: Int
  ) throws -> (outputs: [String: StoredArtifact], provenance: Provenance)? {
    try database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT coalesce(origin, stage_run.id) AS maker, name FROM stage_run
            JOIN run ON run.id = run JOIN pipeline ON pipeline.id = pipeline
          WHERE run = ? AND stage = ? AND stage_run.state IN ('ran', 'cached')
          """, arguments: [run, stage])
      guard let row else { return nil }
      // Of several that made the same bytes, the last one before they were used.
      var makers: Set<Int64> = []
      var next: [Int64] = [row["maker"]]
      while let stageRun = next.popLast() {
        guard makers.insert(stageRun).inserted else { continue }
        next += try Int64.fetchAll(
          db, sql: "SELECT max(maker) FROM flow WHERE user = ? AND maker < user GROUP BY port", arguments: [stageRun])
      }
      let stages = try makers.sorted().map { try db.provenance(of: $0) }
      return (try db.outputs(of: row["maker"]), Provenance(pipeline: row["name"], stages: stages))
    }
  }

  /// What SQLite finds wrong with the database file; `nil` if nothing.
  package func integrityProblem() throws -> String? {
    let (findings, dangling) = try database.read { db in
      (
        try String.fetchAll(db, sql: "PRAGMA integrity_check"),
        try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").map { "a row of \($0["table"] as String) refers to nothing" }
      )
    }
    let problems = findings.filter { $0 != "ok" } + Set(dangling).sorted()
    return problems.isEmpty ? nil : problems.joined(separator: "; ")
  }
}

extension Database {
  fileprivate func outputs(of stageRun: Int64) throws -> [String: StoredArtifact] {
    let rows = try Row.fetchAll(
      self,
      sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ? AND direction = 'out'",
      arguments: [stageRun])
    return Dictionary(uniqueKeysWithValues: try rows.map { ($0["port"] as String, try StoredArtifact($0)) })
  }

  fileprivate func provenance(of stageRun: Int64) throws -> Provenance.Stage {
    guard let row = try Row.fetchOne(self, sql: "SELECT * FROM stage_run WHERE id = ?", arguments: [stageRun]) else {
      throw DamagedRow(found: "no row", expected: "stage run \(stageRun)")
    }
    let key: String = row["key"]
    let decoder = JSONDecoder()
    let components = try Row.fetchAll(
      self, sql: "SELECT name, value FROM key_component WHERE key = ? ORDER BY position", arguments: [key])
    let values = try components.map { component in
      let value: String = component["value"]
      return (component["name"] as String, try decoder.decode(ParameterValue.self, from: Data(value.utf8)))
    }
    let inputs = try Row.fetchAll(
      self, sql: "SELECT port, digest FROM artifact_edge WHERE stage_run = ? AND direction = 'in'",
      arguments: [stageRun])
    let metrics = try Row.fetchAll(
      self, sql: "SELECT name, value FROM metric WHERE stage_run = ? AND step IS NULL AND value IS NOT NULL",
      arguments: [stageRun])
    let parameters = values.filter { $0.0.hasPrefix("with.") }.map { (String($0.0.dropFirst(5)), $0.1) }
    let seed: UInt64? = values.first { $0.0 == "seed" }.flatMap { UInt64(parameter: $0.1) }
    return Provenance.Stage(
      name: row["stage"], kind: row["kind"], key: StageKey(try Digest(stored: key)),
      parameters: Dictionary(uniqueKeysWithValues: parameters),
      seed: seed,
      inputs: Dictionary(
        uniqueKeysWithValues: try inputs.map { ($0["port"] as String, try Digest(stored: $0["digest"])) }),
      outputs: try outputs(of: stageRun).mapValues(\.digest),
      metrics: Dictionary(metrics.map { ($0["name"] as String, $0["value"] as Double) }) { $1 })
  }
}

extension UInt64 {
  /// A key holds the seed as text, since JSON's numbers do not hold every one.
  fileprivate init?(parameter: ParameterValue) {
    guard case .string(let text) = parameter else { return nil }
    self.init(text)
  }
}
