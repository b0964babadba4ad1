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
      let old = rows.map { (name: $0["name"] as String, value: $0["value"] as String) }
      let oldValues = Dictionary(uniqueKeysWithValues: old.map { ($0.name, $0.value) })
      let newValues = Dictionary(uniqueKeysWithValues: try preimage.map { ($0.name, try $0.value.json) })
      let names = preimage.map(\.name) + old.map(\.name).filter { newValues[$0] == nil }
      return names.filter { oldValues[$0] != newValues[$0] }.map {
        KeyDifference(component: $0, old: oldValues[$0], new: newValues[$0])
      }
    }
  }
}
