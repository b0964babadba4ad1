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
    package var run: Int
    package var pipeline: String
    package var name: String
    package var kind: String
    package var key: StageKey?
    package var inputs: [String: Digest]
    package var outputs: [String: Digest]
  }
  /// What was asked for.
  package var root: Digest
  /// By digest.
  package var artifacts: [Artifact]
  /// In the order in which they ran.
  package var stages: [Stage]
}

package enum LineageDirection: String, Sendable, CaseIterable { case up, down }

package struct UnknownArtifact: Error, CustomStringConvertible {
  package let name: String
  package let matches: Int
  package var description: String {
    matches == 0
      ? "no artifact's digest begins with `\(name)`"
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

  /// The stages that led to the artifact (up) or that used it and what came of it (down), each once.
  package func lineage(of root: Digest, _ direction: LineageDirection) throws -> LineageGraph {
    let (here, next, end) = direction == .up ? ("out", "maker", "user") : ("in", "user", "maker")
    return try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          WITH RECURSIVE reached (stage_run) AS (
            SELECT stage_run FROM artifact_edge WHERE digest = ? AND direction = ?
            UNION
            SELECT \(next) FROM reached JOIN flow ON \(end) = reached.stage_run
          )
          SELECT stage_run.id, run, name, stage, kind, key FROM reached
            JOIN stage_run ON stage_run.id = reached.stage_run
            JOIN run ON run.id = run JOIN pipeline ON pipeline.id = pipeline
          ORDER BY stage_run.id
          """, arguments: [root.description, here])
      var artifacts: [Digest: LineageGraph.Artifact] = [:]
      if let row = try Row.fetchOne(db, sql: "SELECT * FROM artifact WHERE digest = ?", arguments: [root.description]) {
        artifacts[root] = .init(try StoredArtifact(row), source: nil)
      }
      let stages = try rows.map { row in
        var stage = LineageGraph.Stage(
          id: row["id"], run: row["run"], pipeline: row["name"], name: row["stage"], kind: row["kind"],
          key: try (row["key"] as String?).map { StageKey(try Digest(stored: $0)) }, inputs: [:], outputs: [:])
        let edges = try Row.fetchAll(
          db, sql: "SELECT * FROM artifact_edge JOIN artifact USING (digest) WHERE stage_run = ?",
          arguments: [stage.id])
        for edge in edges {
          let artifact = LineageGraph.Artifact(try StoredArtifact(edge), source: edge["path"])
          if artifacts[artifact.digest]?.source == nil { artifacts[artifact.digest] = artifact }
          if edge["direction"] == "in" {
            stage.inputs[edge["port"]] = artifact.digest
          } else {
            stage.outputs[edge["port"]] = artifact.digest
          }
        }
        return stage
      }
      return LineageGraph(root: root, artifacts: artifacts.values.sorted { $0.digest < $1.digest }, stages: stages)
    }
  }
}

extension LineageGraph.Artifact {
  fileprivate init(_ artifact: StoredArtifact, source: String?) {
    self.init(digest: artifact.digest, bytes: artifact.bytes, kind: artifact.kind, source: source)
  }
}
