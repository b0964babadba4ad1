/// A recorded stage's outputs with everything that made them: what an export or a publication carries with it.
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
      let maker: Int64 = row["maker"]
      let stages = try db.ancestry(of: [maker]).map { try db.provenance(of: $0) }
      return (try db.outputs(of: maker), Provenance(pipeline: row["name"], stage: stage, stages: stages))
    }
  }

  package func provenance(of key: StageKey) throws -> [Provenance.Stage] {
    try database.read { db in
      let maker = try Int64.fetchOne(
        db, sql: "SELECT stage_run FROM result WHERE key = ?", arguments: [key.description])
      return try db.ancestry(of: maker.map { [$0] } ?? []).map { try db.provenance(of: $0) }
    }
  }

  /// Where the command of a key left its outputs, by port; nothing for other kinds.
  package func commandOutputs(of key: StageKey) throws -> [String: String] {
    let components = try database.read { db in
      try Row.fetchAll(
        db, sql: "SELECT name, value FROM key_component WHERE key = ? AND name LIKE 'out.%'",
        arguments: [key.description])
    }
    return Dictionary(
      uniqueKeysWithValues: try components.map { row in
        let (name, json): (String, String) = (row["name"], row["value"])
        return (String(name.dropFirst(4)), try decoded(json))
      })
  }

  /// What SQLite finds wrong with the database file; `nil` if nothing.
  package func integrityProblem() throws -> String? {
    let (findings, dangling) = try database.read { db in
      (
        try String.fetchAll(db, sql: "PRAGMA integrity_check"),
        try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").map {
          "a row of \($0["table"] as String) refers to nothing"
        }
      )
    }
    let problems = findings.filter { $0 != "ok" } + Set(dangling).sorted()
    return problems.isEmpty ? nil : problems.joined(separator: "; ")
  }
}

extension Database {
  /// The stage runs and all that led to them, each after what it was made from; depends on nothing but ports and edges.
  func ancestry(of roots: [Int64]) throws -> [Int64] {
    // Of several that made the same bytes, the last one before they were used.
    let makers = try cachedStatement(
      sql: "SELECT max(maker) FROM flow WHERE user = ? AND maker < user GROUP BY port ORDER BY port DESC")
    var order: [Int64] = []
    var seen: Set<Int64> = []
    var stack = roots.reversed().map { (id: $0, isExpanded: false) }
    while let (id, isExpanded) = stack.popLast() {
      if isExpanded {
        order.append(id)
      } else if seen.insert(id).inserted {
        stack.append((id, true))
        stack += try Int64.fetchAll(makers, arguments: [id]).map { ($0, false) }
      }
    }
    return order
  }

  fileprivate func outputs(of stageRun: Int64) throws -> [String: StoredArtifact] {
    let rows = try Row.fetchAll(
      self,
      sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ? AND direction = 'out'",
      arguments: [stageRun])
    return Dictionary(uniqueKeysWithValues: try rows.map { ($0["port"] as String, try StoredArtifact($0)) })
  }

  fileprivate func provenance(of stageRun: Int64) throws -> Provenance.Stage {
    let row = try Row.fetchOne(
      self,
      sql: """
        SELECT stage, run, kind, key, version, revision, root FROM stage_run JOIN run ON run.id = run
        WHERE stage_run.id = ?
        """, arguments: [stageRun])
    guard let row else { throw DamagedRow(found: "no row", expected: "stage run \(stageRun)") }
    let key: String = row["key"]
    var stage = Provenance.Stage(name: row["stage"], kind: row["kind"], key: StageKey(try Digest(stored: key)))
    stage.retort = row["version"]
    stage.revision = row["revision"]
    for component in try preimage(of: key) {
      let name = component.name
      switch (name, component.value) {
      case ("cmd", .string(let text)): stage.command = text
      // A key holds the seed as text, since JSON's numbers do not hold every one.
      case ("seed", .string(let text)): stage.seed = UInt64(text)
      case ("numerics", .string(let text)): stage.numerics = text
      case (_, let value) where name.hasPrefix("with."): stage.parameters[String(name.dropFirst(5))] = value
      default: break
      }
    }
    let root = (row["root"] as String?).map { URL(filePath: $0, directoryHint: .isDirectory) }
    let inputs = try Row.fetchAll(
      self,
      sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ? AND direction = 'in'",
      arguments: [stageRun])
    for input in inputs {
      let path: String? = input["path"]
      let source = path.map { path in
        path.hasPrefix(HubReference.scheme) ? path : URL(filePath: path).provenanceName(root: root)
      }
      stage.inputs[input["port"]] = Provenance.Input(
        try StoredArtifact(input), source: source, output: input["source"])
    }
    stage.outputs = try outputs(of: stageRun).mapValues(Provenance.Output.init)
    let metrics = try Row.fetchAll(
      self, sql: "SELECT name, value FROM metric WHERE stage_run = ? AND step IS NULL AND value IS NOT NULL",
      arguments: [stageRun])
    stage.metrics = Dictionary(metrics.map { ($0["name"] as String, $0["value"] as Double) }) { $1 }
    stage.verdict = try verdict(ofStage: row["stage"], run: row["run"])
    return stage
  }
}
