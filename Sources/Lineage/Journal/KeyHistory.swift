/// Why a stage runs again: what its key was made of before, and is now.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

/// One component of a key that differs; values as JSON.
package struct KeyDifference: Codable, Sendable, Hashable {
  package var component: String
  /// Absent: new.
  package var old: String?
  /// Absent: gone.
  package var new: String?

  /// The components that differ, in the order of the new key's, then those that are gone.
  static func all<Value: Equatable>(
    from old: [(name: String, value: Value)], to new: [(name: String, value: Value)], shown: (Value) -> String
  ) -> [KeyDifference] {
    let oldValues = Dictionary(old.map { ($0.name, $0.value) }) { $1 }
    let newValues = Dictionary(new.map { ($0.name, $0.value) }) { $1 }
    return distinct((new + old).map(\.name)).filter { oldValues[$0] != newValues[$0] }.map {
      KeyDifference(component: $0, old: oldValues[$0].map(shown), new: newValues[$0].map(shown))
    }
  }
}

extension Journal {
  /// Compares a key with the last result of that pipeline's stage of that name; `nil` if there is none.
  package func differences(
    of preimage: [KeyComponent], pipeline: String, file: URL, stage: String
  ) throws -> [KeyDifference]? {
    try database.read { db in
      let key = try String.fetchOne(
        db,
        sql: """
          SELECT stage_run.key FROM stage_run JOIN run ON run.id = run JOIN pipeline ON pipeline.id = pipeline
          WHERE stage = ? AND name = ? AND file = ? AND stage_run.state IN ('ran', 'cached')
            AND stage_run.key IN (SELECT key FROM key_component)
          ORDER BY stage_run.id DESC LIMIT 1
          """, arguments: [stage, pipeline, file.posixPath])
      guard let key else { return nil }
      let rows = try Row.fetchAll(
        db, sql: "SELECT name, value FROM key_component WHERE key = ? ORDER BY position", arguments: [key])
      return KeyDifference.all(
        from: rows.map { ($0["name"] as String, $0["value"] as String) },
        to: try preimage.map { ($0.name, try $0.value.json) }
      ) { $0 }
    }
  }
}
