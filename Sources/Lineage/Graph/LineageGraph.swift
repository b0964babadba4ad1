/// What made an artifact, and what was made of it: stages and artifacts as a graph.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

package struct LineageGraph: Codable, Sendable, Hashable {
  package struct Artifact: Codable, Sendable, Hashable {
    package var digest: Digest
    package var bytes: Int
    package var kind: StoredArtifact.Kind
    /// Where it lay, if it came from outside.
    package var source: String?
  }
  package struct Stage: Codable, Sendable, Hashable {
    package var id: Int
    /// Absent where the store was not asked.
    package var run: Int?
    package var pipeline: String
    package var name: String
    package var kind: String
    package var key: StageKey?
    package var inputs: [String: Digest]
    package var outputs: [String: Digest]
  }
  /// What was asked for, in words: `artifact 3f2a…`, `run 3`.
  package var of: String
  /// What was asked for, if it is an artifact.
  package var root: Digest?
  /// By digest.
  package var artifacts: [Artifact]
  /// In the order in which they ran.
  package var stages: [Stage]
}

package enum LineageDirection: String, Sendable, CaseIterable { case up, down }

/// Where a walk begins.
package enum LineageRoot: Sendable, Hashable {
  case artifact(Digest)
  /// Rows of `stage_run`, which made what they are asked for, and how to call them.
  case stages([Int64], name: String)
}

package struct UnknownArtifact: Error, CustomStringConvertible {
  package let name: String
  package let matches: Int
  package var description: String {
    matches == 0
      ? "no run, stage or output is called `\(name)`, and no artifact's digest begins so"
      : "\(matches) artifacts' digests begin with `\(name)`; write more of it"
  }
}

extension Journal {
  /// - Parameter prefix: the beginning of an artifact's digest, in hexadecimal.
  package func artifact(beginning prefix: String) throws -> Digest {
    try database.read { db in
      let matches = try String.fetchAll(
        db, sql: "SELECT digest FROM artifact WHERE substr(digest, 1, ?) = ?",
        arguments: [prefix.count, prefix.lowercased()])
      guard matches.count == 1 else { throw UnknownArtifact(name: prefix, matches: matches.count) }
      return try Digest(stored: matches[0])
    }
  }

  /// A run by its number, its name, a tag or as `latest`, a stage or its output by the latest run that has one of that name, or an
  /// artifact by the beginning of its digest.
  package func lineageRoot(named name: String) throws -> LineageRoot {
    if let root = try database.read({ try $0.makers(ofRun: name) ?? $0.stage(named: name) ?? $0.output(named: name) }) {
      return root
    }
    return .artifact(try artifact(beginning: name))
  }

  /// The stages that led to the artifact (up) or that used it and what came of it (down), each once.
  package func lineage(of root: Digest, _ direction: LineageDirection) throws -> LineageGraph {
    try lineage(of: .artifact(root), direction)
  }

  package func lineage(of root: LineageRoot, _ direction: LineageDirection) throws -> LineageGraph {
    try database.read { db in
      let begin =
        switch root {
        case .stages(let ids, _): ids
        case .artifact(let digest): try db.stages(at: digest, direction == .up ? "out" : "in")
        }
      let stages = try direction == .up ? db.ancestry(of: begin).sorted() : db.descent(of: begin)
      return try db.graph(root, stages)
    }
  }
}

extension Database {
  fileprivate func makers(ofRun name: String) throws -> LineageRoot? {
    guard let run = try run(named: name) else { return nil }
    let makers = try Int64.fetchAll(
      self,
      sql: """
        SELECT coalesce(origin, id) FROM stage_run WHERE run = ? AND state IN ('ran', 'cached') ORDER BY id
        """, arguments: [run])
    return .stages(makers, name: "run \(run)")
  }

  fileprivate func stage(named name: String) throws -> LineageRoot? {
    let row = try Row.fetchOne(
      self,
      sql: """
        SELECT coalesce(origin, id) AS maker, run FROM stage_run WHERE stage = ? AND state IN ('ran', 'cached')
        ORDER BY id DESC LIMIT 1
        """, arguments: [name])
    return row.map { .stages([$0["maker"]], name: "\(name) of run \($0["run"] as Int)") }
  }

  /// `STAGE.PORT`.
  fileprivate func output(named name: String) throws -> LineageRoot? {
    guard let output = RecordedOutputName(name), case .stages(let makers, _)? = try stage(named: output.stage) else {
      return nil
    }
    let digest = try String.fetchOne(
      self, sql: "SELECT digest FROM artifact_edge WHERE stage_run = ? AND direction = 'out' AND port = ?",
      arguments: [makers[0], output.port])
    return try digest.map { .artifact(try Digest(stored: $0)) }
  }

  /// Which stages made the artifact (`out`) or used it (`in`); of runs of one key the latest.
  fileprivate func stages(at digest: Digest, _ direction: String) throws -> [Int64] {
    try Int64.fetchAll(
      self,
      sql: """
        SELECT max(id) FROM stage_run JOIN artifact_edge ON stage_run = id WHERE digest = ? AND direction = ?
        GROUP BY stage, key ORDER BY 1
        """, arguments: [digest.description, direction])
  }

  /// The stage runs and all that used what they made, of runs of one key the latest.
  fileprivate func descent(of roots: [Int64]) throws -> [Int64] {
    let list = roots.map(String.init).joined(separator: ", ")
    return try Int64.fetchAll(
      self,
      sql: """
        WITH RECURSIVE reached (stage_run) AS (
          SELECT id FROM stage_run WHERE id IN (\(list))
          UNION
          SELECT user FROM reached JOIN flow ON maker = reached.stage_run
        )
        SELECT max(id) FROM stage_run JOIN reached ON stage_run = id GROUP BY stage, key ORDER BY 1
        """)
  }

  fileprivate func graph(_ root: LineageRoot, _ ids: [Int64]) throws -> LineageGraph {
    var artifacts: [Digest: LineageGraph.Artifact] = [:]
    var graph = LineageGraph(of: "", root: nil, artifacts: [], stages: [])
    switch root {
    case .stages(_, let name): graph.of = name
    case .artifact(let digest):
      graph.of = "artifact \(digest.description.prefix(12))"
      graph.root = digest
      let row = try Row.fetchOne(
        self, sql: "SELECT * FROM artifact WHERE digest = ?", arguments: [digest.description])
      artifacts[digest] = try row.map { .init(try StoredArtifact($0), source: nil) }
    }
    let stages = try cachedStatement(
      sql: """
        SELECT stage_run.id, run, name, stage, kind, key FROM stage_run
          JOIN run ON run.id = run JOIN pipeline ON pipeline.id = pipeline WHERE stage_run.id = ?
        """)
    let edges = try cachedStatement(
      sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ?")
    for id in ids {
      guard let row = try Row.fetchOne(stages, arguments: [id]) else { continue }
      var stage = LineageGraph.Stage(
        id: row["id"], run: row["run"], pipeline: row["name"], name: row["stage"], kind: row["kind"],
        key: try (row["key"] as String?).map { StageKey(try Digest(stored: $0)) }, inputs: [:], outputs: [:])
      for edge in try Row.fetchAll(edges, arguments: [id]) {
        let artifact = LineageGraph.Artifact(try StoredArtifact(edge), source: edge["path"])
        if artifacts[artifact.digest]?.source == nil { artifacts[artifact.digest] = artifact }
        if edge["direction"] == "in" {
          stage.inputs[edge["port"]] = artifact.digest
        } else {
          stage.outputs[edge["port"]] = artifact.digest
        }
      }
      graph.stages.append(stage)
    }
    graph.artifacts = artifacts.values.sorted { $0.digest < $1.digest }
    return graph
  }
}

extension LineageGraph.Artifact {
  fileprivate init(_ artifact: StoredArtifact, source: String?) {
    self.init(digest: artifact.digest, bytes: artifact.bytes, kind: artifact.kind, source: source)
  }
}
