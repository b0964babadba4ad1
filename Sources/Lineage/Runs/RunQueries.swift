/// Answers about runs: which there were, and what happened in one.
import Artifacts
import Basics
import Foundation
import GRDB
import Pipelines
import Scheduling

/// `retort show`.
package struct RunReport: Codable, Sendable, Hashable {
  package struct Input: Codable, Sendable, Hashable {
    package var digest: Digest
    package var bytes: Int
    /// Where it lay, if no stage made it.
    package var source: String?
    /// Which output it is of another stage, `split.train`.
    package var output: String?
  }
  package struct Output: Codable, Sendable, Hashable {
    package var digest: Digest
    package var bytes: Int
    package var kind: StoredArtifact.Kind
    /// In the store.
    package var path: String
  }
  package struct Stage: Codable, Sendable, Hashable {
    package var name: String
    /// The stage as the pipeline file names it.
    package var base: String
    /// What the matrix says of this one.
    package var coordinates: [String: ParameterValue]
    package var kind: String
    /// running, ran, cached, failed, skipped, interrupted
    package var state: String
    package var attempts: Int
    package var seconds: Double?
    package var key: StageKey?
    package var inputs: [String: Input]
    package var outputs: [String: Output]
    package var metrics: [String: Double]
    package var error: String?
    /// Of this run's attempts, in their order.
    package var failures: [Failure] = []
    /// All that its kind declares, defaults among them; absent where the stage's key, or what it was made of, is unknown.
    package var parameters: [Parameter]?
    /// Where its time went, if this run asked.
    package var profile: StageProfile?
    /// What its training was worth, whenever it was.
    package var verdict: Verdict?
    /// What the attempt that made the outputs, or failed last, printed; absent if it is gone.
    package var log: String?
  }
  package struct Parameter: Codable, Sendable, Hashable {
    package var name: String
    package var value: ParameterValue
    /// Whether it is what the kind has by itself; absent where nobody can tell, as of a seed.
    package var isDefault: Bool?
    package init(name: String, value: ParameterValue, isDefault: Bool? = nil) {
      (self.name, self.value, self.isDefault) = (name, value, isDefault)
    }
  }
  package struct Failure: Codable, Sendable, Hashable {
    package var time: Date
    /// What went wrong, the last lines that were printed, and where the log lies.
    package var message: String
  }
  package var run: Int
  package var pipeline: String
  package var file: String
  /// running, done, failed, waited too long, interrupted
  package var state: String
  package var started: Date
  package var seconds: Double?
  /// Of retort.
  package var version: String?
  /// The commit that was checked out in the project.
  package var revision: String?
  /// What an experiment said to compare.
  package var comparison: Comparison?
  /// What `run --name` called it.
  package var name: String?
  package var tags: [String]
  package var note: String?
  /// The metrics that are shown first, `stage.metric`: what the file said, else nDCG@10 of each evaluation.
  package var headline: [String]
  /// In the order in which they began.
  package var stages: [Stage]
  package var warnings: [String]
  /// What a run took over that goes on where another one was cut off.
  package var recovery: Recovery?
  /// The run that goes on where this one was cut off.
  package var continuedBy: Int?
}

extension Journal {
  /// - Parameter kinds: only stages of these kinds; absent: all.
  package func report(of run: Int, kinds: Set<String>? = nil, store: Store) throws -> RunReport {
    try database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT name, file, state, started, ended, version, revision, comparison, label, note, headline
          FROM run JOIN pipeline ON pipeline.id = run.pipeline WHERE run.id = ?
          """, arguments: [run])
      guard let row else { throw UnknownRun(name: String(run)) }
      let stages = try Row.fetchAll(
        db,
        sql: """
          SELECT *, coalesce(origin, id) AS maker FROM stage_run
          WHERE run = ?1 AND (?2 IS NULL OR kind IN (SELECT value FROM json_each(?2))) ORDER BY id
          """,
        arguments: [run, try kinds.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }])
      return RunReport(
        run: run, pipeline: row["name"], file: row["file"], state: row["state"], started: row["started"],
        seconds: row.seconds, version: row["version"], revision: row["revision"],
        comparison: try (row["comparison"] as String?).map(decoded), name: row["label"],
        tags: try String.fetchAll(db, sql: "SELECT name FROM tag WHERE run = ? ORDER BY name", arguments: [run]),
        note: row["note"],
        headline: try (row["headline"] as String?).map(decoded) ?? [],
        stages: try stages.map { try db.stage($0, store: store) },
        warnings: try String.fetchAll(
          db, sql: "SELECT message FROM event WHERE run = ? AND kind = 'warning' ORDER BY id", arguments: [run]),
        recovery: try db.recovery(of: run), continuedBy: try db.continuation(of: run))
    }
  }
}

extension Database {
  fileprivate func stage(_ row: Row, store: Store) throws -> RunReport.Stage {
    let maker: Int64 = row["maker"]
    let edges = try Row.fetchAll(
      cachedStatement(sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ?"),
      arguments: [maker])
    let metrics = try Row.fetchAll(
      cachedStatement(
        sql: "SELECT name, value FROM metric WHERE stage_run = ? AND step IS NULL AND value IS NOT NULL ORDER BY rowid"),
      arguments: [maker])
    var stage = RunReport.Stage(
      name: row["stage"], base: row["base"], coordinates: try (row["coordinates"] as String?).map(decoded) ?? [:],
      kind: row["kind"], state: row["state"], attempts: row["attempt"], seconds: row.seconds,
      key: try (row["key"] as String?).map { StageKey(try Digest(stored: $0)) }, inputs: [:], outputs: [:],
      metrics: Dictionary(metrics.map { ($0["name"], $0["value"]) }) { $1 }, error: row["error"])
    stage.failures = try Row.fetchAll(
      self, sql: "SELECT time, message FROM event WHERE run = ? AND stage = ? AND kind = 'failure' ORDER BY id",
      arguments: [row["run"] as Int, stage.name]
    ).map { RunReport.Failure(time: $0["time"], message: $0["message"]) }
    stage.profile = try String.fetchOne(
      self, sql: "SELECT message FROM event WHERE run = ? AND stage = ? AND kind = 'profile' ORDER BY id DESC",
      arguments: [row["run"] as Int, stage.name]
    ).map(decoded)
    if let made = try Row.fetchOne(
      self, sql: "SELECT run, stage, attempt FROM stage_run WHERE id = ?", arguments: [maker])
    {
      stage.verdict = try verdict(ofStage: made["stage"], run: made["run"])
      let log = store.log(ofRun: made["run"], stage: made["stage"], attempt: made["attempt"])
      stage.log = FileStatus.of(log) == nil ? nil : log.posixPath
    }
    for edge in edges {
      let artifact = try StoredArtifact(edge)
      if edge["direction"] == "in" {
        stage.inputs[edge["port"]] = .init(
          digest: artifact.digest, bytes: artifact.bytes, source: edge["path"], output: edge["source"])
      } else {
        stage.outputs[edge["port"]] = .init(
          digest: artifact.digest, bytes: artifact.bytes, kind: artifact.kind,
          path: store.url(of: artifact).posixPath)
      }
    }
    return stage
  }
}

func decoded<Value: Decodable>(_ json: String) throws -> Value {
  try JSONDecoder().decode(Value.self, from: Data(json.utf8))
}

extension Row {
  /// From `started` to `ended`.
  var seconds: Double? {
    guard let ended = self["ended"] as Date?, let started = self["started"] as Date? else { return nil }
    return ended.timeIntervalSince(started).toMilliseconds
  }
}
